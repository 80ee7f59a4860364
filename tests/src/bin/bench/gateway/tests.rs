use super::*;

const PROFILES: &str = r#"
[profile.civ-standard]
rule = [
  { id = "A", detector = "pii@1", on = ["prompt"], do = "redact", why = "a" },
  { id = "B", detector = "fast-guard@1", on = ["prompt"], at = 0.9, do = "block", why = "b" },
]
"#;

fn rules_left(guards: Guards) -> Vec<String> {
    let file: toml::Table = edited(PROFILES, guards)
        .expect("edited")
        .parse()
        .expect("TOML");
    let rules = file["profile"]["civ-standard"]["rule"]
        .as_array()
        .expect("rules");
    rules
        .iter()
        .map(|rule| rule["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn each_variant_keeps_its_rules() {
    assert_eq!(rules_left(Guards::Off), ["OFF"]);
    assert_eq!(rules_left(Guards::Patterns), ["A"]);
    assert_eq!(rules_left(Guards::Classifier), ["A", "B"]);
}

#[test]
fn addresses_are_read_from_the_log() {
    let line = r#"{"level":"INFO","fields":{"message":"serving model traffic over TLS","address":"127.0.0.1:7"}}"#;
    assert_eq!(
        address(line, "serving model traffic"),
        "127.0.0.1:7".parse().ok()
    );
    assert_eq!(address(line, "draining"), None);
    assert_eq!(address("not JSON", "draining"), None);
}

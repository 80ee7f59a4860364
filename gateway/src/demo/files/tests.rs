use std::path::Path;

use gateway::Config;
use gateway::config::BackendKind;
use jiff::SignedDuration;

use super::{Behind, CONFIG, Setup, SetupError, write};

fn setup<'a>(folder: &'a Path, backend: &'a Behind) -> Setup<'a> {
    Setup {
        folder,
        data: &[],
        admin: "127.0.0.1:0".parse().expect("an address"),
        backend,
        runtime: Path::new("/somewhere/a \"quoted\" library.so"),
        segment_bytes: None,
        key_lifetime: SignedDuration::from_hours(1),
    }
}

#[test]
fn the_files_are_a_configuration_that_loads() {
    let folder = tempfile::tempdir().expect("a folder");
    let backend = Behind::Server {
        base_url: "http://127.0.0.1:8080/v1".parse().expect("an address"),
        model: "llama3.3:70b".to_owned(),
    };
    let data = ["127.0.0.1:0".parse().expect("an address")];
    let key = write(&Setup {
        data: &data,
        ..setup(folder.path(), &backend)
    })
    .expect("it can be written");
    assert!(key.starts_with("pc_"));
    let config = Config::load(&folder.path().join(CONFIG)).expect("it loads");
    assert_eq!(config.listener.bind, data);
    assert!(matches!(
        config.backends.first().map(|b| &b.kind),
        Some(BackendKind::OpenAi { .. })
    ));
    assert!(
        config
            .models
            .iter()
            .all(|model| model.upstream_name == "llama3.3:70b")
    );
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("mine"), "precious").expect("it can be written");
    let written = write(&setup(folder.path(), &Behind::Script));
    assert!(matches!(written, Err(SetupError::NotEmpty { .. })));
}

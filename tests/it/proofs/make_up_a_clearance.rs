use gateway::pipeline::screen::Clearance;

fn invent(report: guardrails::Report) -> Clearance {
    Clearance { digest: todo!(), report, action: guardrails::Action::Allow }
}

fn main() {}

fn twice(permit: policy::Permit) -> (policy::Permit, policy::Permit) {
    (permit.clone(), permit)
}

fn main() {}

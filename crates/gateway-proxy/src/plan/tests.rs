use super::*;

#[derive(Debug)]
struct Nothing;

impl Plugin for Nothing {
    fn phases(&self) -> Phases {
        Phases::default()
    }
}

fn scope(route: bool, service: bool, consumer: bool) -> Scope {
    let part = |set: bool, id: &str| set.then(|| Arc::from(id));
    Scope { route: part(route, "r"), service: part(service, "s"), consumer: part(consumer, "c") }
}

/// From the most specific to the least.
const RANKS: [(bool, bool, bool); 8] = [
    (true, true, true),
    (true, false, true),
    (false, true, true),
    (true, true, false),
    (false, false, true),
    (true, false, false),
    (false, true, false),
    (false, false, false),
];

#[test]
fn the_most_specific_configuration_is_used() {
    let order = Order::new(1, "p");
    for present in 1_u32..256 {
        let mut plugins = Plugins::default();
        let instances: Vec<_> = RANKS.iter().map(|_| Arc::new(Instance::new("p", Arc::new(Nothing), &[]))).collect();
        for (at, rank) in RANKS.iter().enumerate() {
            if present & (1 << at) != 0 {
                plugins.put(order, &scope(rank.0, rank.1, rank.2), Arc::clone(&instances[at]));
            }
        }
        let chain = plugins.chain(Some(&"r".into()), Some(&"s".into()));
        let picked = chain.0[0].pick(Some("c")).expect("something applies to this consumer");
        assert!(Arc::ptr_eq(picked, &instances[present.trailing_zeros() as usize]), "{present:08b}");

        for (at, rank) in RANKS.iter().enumerate() {
            if present & (1 << at) != 0 {
                plugins.remove(order, &scope(rank.0, rank.1, rank.2));
            }
        }
        assert!(plugins.chain(Some(&"r".into()), Some(&"s".into())).0.is_empty());
    }
}

#[test]
fn plugins_run_by_priority_and_then_by_name_descending() {
    let mut plugins = Plugins::default();
    for (priority, name) in [(1, "low"), (9, "alpha"), (9, "beta")] {
        let instance = Arc::new(Instance::new(name, Arc::new(Nothing), &[]));
        plugins.put(Order::new(priority, name), &Scope::default(), instance);
    }
    let names: Vec<_> = plugins.global().iter().map(|instance| instance.name).collect();
    assert_eq!(names, ["beta", "alpha", "low"]);
}

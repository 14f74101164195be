use proptest::prelude::*;

use super::*;

const REDIS: &str = "type: Dataplane
mesh: {{ mesh }}
name: redis-1
networking:
  admin: { port: {{ port }} }
  inbound:
  - interface: 127.0.0.1:9000:6379
    tags: { service: redis }
";

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn problems(text: &str, proxy_type: ProxyType) -> String {
    parse(text, &variables(&[]), proxy_type).unwrap_err().to_string()
}

#[test]
fn identity_and_admin_port_are_read_after_the_values_are_filled_in() {
    let resource = parse(REDIS, &variables(&[("mesh", "default"), ("port", "9901")]), ProxyType::Dataplane).unwrap();
    assert_eq!((&*resource.mesh, &*resource.name, resource.admin_port), ("default", "redis-1", Some(9901)));
    let json: Value = serde_json::from_str(&resource.json).unwrap();
    assert_eq!(json["networking"]["inbound"][0]["tags"]["service"], "redis");
}

#[test]
fn missing_values_are_problems() {
    assert_eq!(problems(REDIS, ProxyType::Dataplane).lines().count(), 2);
}

#[test]
fn bad_yaml_is_reported_with_its_place() {
    assert!(problems("type: [Dataplane", ProxyType::Dataplane).contains("line 1"));
    assert!(problems("- a", ProxyType::Dataplane).contains("one YAML document"));
    assert!(problems("", ProxyType::Dataplane).contains("one YAML document"));
    assert!(problems("a: 1\n---\nb: 2", ProxyType::Dataplane).contains("not valid YAML"));
}

#[test]
fn type_mesh_and_name_must_fit() {
    assert_eq!(
        problems("type: ZoneIngress\nname: 5", ProxyType::Dataplane),
        "type: must be Dataplane, not ZoneIngress (or change --proxy-type)\n\
         name: cannot be empty\n\
         mesh: cannot be empty"
    );
    assert!(parse("type: ZoneIngress\nname: a", &variables(&[]), ProxyType::Ingress).is_ok());
}

#[test]
fn a_huge_file_is_refused() {
    assert!(problems(&" ".repeat(1024 * 1024 + 1), ProxyType::Dataplane).contains("larger"));
}

#[test]
fn a_missing_file_is_a_problem_of_the_resource() {
    let failure = read(Path::new("/nonexistent/dp.yaml")).unwrap_err();
    assert_eq!(failure.exit_code(), 3);
    assert!(failure.to_string().contains("/nonexistent/dp.yaml"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "([a-z:{}\\[\\]&*! \n\"-]|\\PC){0,60}") {
        if let Ok(resource) = parse(&text, &variables(&[]), ProxyType::Dataplane) {
            prop_assert!(!resource.name.is_empty());
        }
    }
}

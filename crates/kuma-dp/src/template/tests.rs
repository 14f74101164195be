use proptest::prelude::*;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_form_of_a_variable_is_replaced_unescaped() {
    let values = variables(&[("name", "redis-1"), ("address", "<&\"'>")]);
    let text =
        "name: {{name}}\nagain: {{ name }}{{name}}\nraw: {{{ address }}} {{& address }} {{address}}{{! note }}\n";
    let expected = "name: redis-1\nagain: redis-1redis-1\nraw: <&\"'> <&\"'> <&\"'>\n";
    assert_eq!(render(text, &values).unwrap(), expected);
}

#[test]
fn values_are_not_templates_themselves() {
    assert_eq!(render("{{ a }}", &variables(&[("a", "{{ b }}")])).unwrap(), "{{ b }}");
}

#[test]
fn all_missing_variables_are_named_with_their_line() {
    let problems = render("{{ a }}\n{{ b }}\n{{ c }}", &variables(&[("b", "1")])).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "line 1: variable \"a\" has no value (--dataplane-var a=...)\n\
         line 3: variable \"c\" has no value (--dataplane-var c=...)"
    );
}

#[test]
fn an_open_placeholder_and_a_section_are_problems() {
    assert_eq!(render("x\n{{ a", &variables(&[])).unwrap_err().to_string(), "line 2: {{ is never closed with }}");
    assert!(render("{{#each}}", &variables(&[])).unwrap_err().to_string().contains("not supported"));
}

proptest! {
    #[test]
    fn text_without_placeholders_is_unchanged(text in "[^{]*") {
        prop_assert_eq!(render(&text, &BTreeMap::new()).unwrap(), text);
    }

    #[test]
    fn no_text_panics(text in "([{}!#& a\n]|\\PC){0,40}") {
        let values = variables(&[("a", "1")]);
        if let Ok(rendered) = render(&text, &values) {
            prop_assert!(text.contains("{{") || rendered == text);
        }
    }
}

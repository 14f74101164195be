//! A configuration means the same in the form it is read in and as a plain document.

use super::reuse::config;
use super::*;

fn outcome(config: impl Into<Config>) -> Result<String, ConfigError> {
    let options = Options { flatten_errors: true };
    parse(&registry(), config, options, &Known::default(), &mut Fixed(0)).map(|declared| answer_of(&declared))
}

fn compare(plain: Value) {
    let text = plain.to_string();
    let read = match read_json(&registry(), text.as_bytes(), &mut || ()) {
        Ok(Json::Config(config)) => config,
        other => panic!("{other:?}"),
    };
    assert_eq!(outcome(read), outcome(object(plain)), "{text}");
}

#[test]
fn what_is_wrong_is_so_in_either_form() {
    for lists in [
        json!({"services": [{"name": "a", "host": "h", "tags": ["t"], "routes": [{"paths": ["x"]}, 5, []], "plugins": 3}]}),
        json!({"services": [{"name": "a", "host": "h", "consumers": [{"username": "u"}], "_comment": 1, "_ignore": [1]}]}),
        json!({"services": [[], {"name": "a", "url": "http://h", "routes": null}], "routes": {}, "nobody": [{"a": [{}]}]}),
        json!({"services": [{"name": "a", "host": "h"}, {"name": "a", "host": "h"}], "routes": [{"service": "b"}]}),
        json!({"services": {"a": 1}, "routes": [{"tags": [{"routes": [1]}], "tags": 5, "hosts": ["h"]}]}),
        json!({"_comment": [], "_ignore": [{"a": 1}], "_transform": [true], "plugins": [{"name": "limit", "config": {"routes": [{}]}}]}),
    ] {
        compare(with(lists));
    }
}

proptest! {
    #[test]
    fn forms_make_no_difference(config in config()) {
        compare(config);
    }
}

//! `VirtualOutbound`.

use crate::parse::reader::{Cursor, Object};
use crate::parse::tags::{self, Rules};
use crate::tags::SERVICE;

pub(in crate::parse) fn read(policy: &Object<'_, '_>) {
    tags::selectors(&policy.field("selectors"), Rules::SELECTOR);
    let conf = policy.field("conf");
    if !conf.is_present() {
        conf.problem("has to be defined");
    }
    conf.object(|conf| {
        parameters(&conf.field("parameters"));
        for name in ["host", "port"] {
            let field = conf.field(name);
            if field.raw().is_none_or(|text| text.as_str() == Some("")) {
                field.problem("has to be defined");
            }
            field.string();
        }
    });
}

fn parameters(list: &Cursor<'_, '_>) {
    let mut names = Vec::new();
    let mut has_service = false;
    list.list(|item| {
        item.object(|parameter| {
            let field = parameter.field("name");
            let name = field.text();
            if names.contains(&name) {
                field.problem("name is already used");
            }
            let key_field = parameter.field("tagKey");
            match key_field.filled() {
                Some(key) => {
                    has_service |= key == SERVICE || key == "service";
                    if !tags::is_name(&key) {
                        key_field.problem("must be a valid tag name");
                    }
                }
                None if !tags::is_name(&name) => {
                    field.problem("must be a valid tag name if you are not setting tagKey");
                }
                None => {}
            }
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                field.problem("must consist of alphanumeric characters to be used as a gotemplate key");
            }
            names.push(name);
        })
    });
    if !has_service {
        list.problem(format!("must contain a parameter with {SERVICE} as a tagKey"));
    }
}

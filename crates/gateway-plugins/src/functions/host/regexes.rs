//! Regular expressions.

use std::cell::RefCell;
use std::collections::HashMap;

use mlua::{Lua, LuaString, Table, Value};
use regex::bytes::{Regex, RegexBuilder};

use super::Host;

/// How many compiled expressions a worker keeps.
const KEPT: usize = 256;

/// Bytes an expression may take compiled.
const SIZE: usize = 1 << 20;

thread_local! {
    static COMPILED: RefCell<HashMap<(String, String), Regex>> = RefCell::default();
}

pub(super) fn offer(host: &Host<'_>) -> mlua::Result<()> {
    host.add_pure("re_match", |lua, (subject, regex, options, at): (LuaString, String, String, usize)| {
        match compiled(regex, options) {
            Ok(regex) => Ok((find(lua, &regex, &subject.as_bytes(), at)?, None)),
            Err(error) => Ok((None, Some(error))),
        }
    })
}

fn compiled(regex: String, options: String) -> Result<Regex, String> {
    COMPILED.with_borrow_mut(|kept| {
        let key = (regex, options);
        if let Some(compiled) = kept.get(&key) {
            return Ok(compiled.clone());
        }
        let has = |option| key.1.contains(option);
        let compiled = RegexBuilder::new(&key.0)
            .case_insensitive(has('i'))
            .multi_line(has('m'))
            .dot_matches_new_line(has('s'))
            .ignore_whitespace(has('x'))
            .unicode(has('u') || has('U'))
            .size_limit(SIZE)
            .build()
            .map_err(|error| error.to_string())?;
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, compiled.clone());
        Ok(compiled)
    })
}

/// The first match from `at` on: its groups by number and name, and where they are.
fn find(lua: &Lua, regex: &Regex, subject: &[u8], at: usize) -> mlua::Result<Option<Table>> {
    let from = at.saturating_sub(1);
    if from > subject.len() {
        return Ok(None);
    }
    let Some(found) = regex.captures_at(subject, from) else { return Ok(None) };
    let (groups, spans) = (lua.create_table()?, lua.create_table()?);
    for (number, (name, group)) in regex.capture_names().zip(found.iter()).enumerate() {
        let value = match group {
            Some(group) => {
                spans.raw_set(number, lua.create_sequence_from([group.start() + 1, group.end()])?)?;
                Value::String(lua.create_string(group.as_bytes())?)
            }
            None => Value::Boolean(false),
        };
        if let Some(name) = name {
            groups.raw_set(name, value.clone())?;
        }
        groups.raw_set(number, value)?;
    }
    let whole = found.get_match();
    let table = lua.create_table()?;
    table.raw_set("groups", groups)?;
    table.raw_set("spans", spans)?;
    table.raw_set("from", whole.start() + 1)?;
    table.raw_set("to", whole.end())?;
    Ok(Some(table))
}

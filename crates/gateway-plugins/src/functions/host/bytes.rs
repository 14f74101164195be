//! Checksums, and ways to write bytes as text.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;
use mlua::{Lua, LuaString, Table, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::Host;

/// All but what RFC 3986 calls unreserved.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(super) fn offer(host: &Host<'_>) -> mlua::Result<()> {
    host.add_pure("md5", |_, text: LuaString| Ok(crate::hex(&md5::Md5::digest(&*text.as_bytes()))))?;
    host.add_pure("md5_bin", |lua, text: LuaString| lua.create_string(md5::Md5::digest(&*text.as_bytes())))?;
    host.add_pure("sha1_bin", |lua, text: LuaString| {
        lua.create_string(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &text.as_bytes()))
    })?;
    host.add_pure("hmac_sha1", |lua, (key, text): (LuaString, LuaString)| {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key.as_bytes());
        lua.create_string(hmac::sign(&key, &text.as_bytes()))
    })?;
    host.add_pure("crc32_long", |_, text: LuaString| Ok(crc32(&text.as_bytes())))?;
    host.add_pure("escape_uri", |_, text: LuaString| Ok(percent_encode(&text.as_bytes(), ESCAPED).to_string()))?;
    host.add_pure("unescape_uri", |lua, text: LuaString| lua.create_string(unescape(&text.as_bytes())))?;
    host.add_pure("encode_base64", |_, text: LuaString| Ok(STANDARD.encode(text.as_bytes())))?;
    host.add_pure("decode_base64", |lua, text: LuaString| {
        STANDARD.decode(&*text.as_bytes()).ok().map(|bytes| lua.create_string(bytes)).transpose()
    })?;
    host.add_pure("decode_args", |lua, (text, most): (LuaString, usize)| decode_args(lua, &text.as_bytes(), most))
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).collect()
}

/// Arguments as a table: `true` without a `=`, a list where a name is there several times.
fn decode_args(lua: &Lua, text: &[u8], most: usize) -> mlua::Result<Table> {
    let args = lua.create_table()?;
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).take(most) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = lua.create_string(unescape(halves.next().unwrap_or_default()))?;
        if name.as_bytes().is_empty() {
            continue;
        }
        let value = match halves.next() {
            Some(value) => Value::String(lua.create_string(unescape(value))?),
            None => Value::Boolean(true),
        };
        match args.raw_get::<Value>(&name)? {
            Value::Nil => args.raw_set(name, value)?,
            Value::Table(list) => list.raw_push(value)?,
            first => args.raw_set(name, lua.create_sequence_from([first, value])?)?,
        }
    }
    Ok(args)
}

/// The CRC of Ethernet and zip files, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

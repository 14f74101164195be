//! Bodies of HTTP/1.1: data, rest and verdict do not depend on where the input is cut, and what was read can be written
//! and read again.
#![no_main]

use engine::http1::{self, BadBody, BodyDecoder, Framing, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, Vec<u8>, &[u8])| {
    let (kind, cuts, bytes) = input;
    let framing = match kind % 8 {
        0 => Framing::None,
        1 => Framing::Length(u64::from(kind)),
        2 => Framing::UntilClose,
        _ => Framing::Chunked,
    };
    let whole = decode(framing, &[bytes]);
    let mut rest = bytes;
    let mut parts = Vec::new();
    for cut in cuts {
        let (part, after) = rest.split_at(usize::from(cut).min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    assert_eq!(decode(framing, &parts), whole);

    let Ok((data, _, true)) = whole else { return };
    let mut written = Vec::new();
    if !data.is_empty() {
        http1::write_chunk_head(data.len(), &mut written);
        written.extend_from_slice(&data);
        http1::write_chunk_end(&mut written);
    }
    http1::write_last_chunk(None, &mut written);
    assert_eq!(decode(Framing::Chunked, &[&written]), Ok((data, Vec::new(), true)));
});

/// Data, what follows the body, and whether it is complete.
fn decode(framing: Framing, parts: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>, bool), BadBody> {
    let mut decoder = BodyDecoder::new(framing, &Limits::default());
    let (mut data, mut rest) = (Vec::new(), Vec::new());
    for part in parts {
        let mut input = *part;
        while !decoder.is_done() && !input.is_empty() {
            let step = decoder.decode(input)?;
            assert!(step.end || step.consumed > 0);
            assert!(step.data.end <= step.consumed);
            data.extend_from_slice(&input[step.data]);
            input = &input[step.consumed..];
        }
        rest.extend_from_slice(input);
    }
    let complete = decoder.close().is_ok();
    Ok((data, rest, complete))
}

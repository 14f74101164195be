mod bodies;
mod heads;
mod oracle;
mod properties;
mod requests;
mod responses;

use super::*;
use crate::message::{Method, RequestHead, ResponseHead};

/// A request as it was read, or why it was not.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Read {
    /// Framing, body and what is left behind it.
    Whole(Framing, Vec<u8>, Vec<u8>),
    /// The head or the body lacks something.
    Partial,
    Head(BadRequest),
    Response(BadResponse),
    Body(BadBody),
}

/// Reads one request.
fn read_request(input: &[u8]) -> Read {
    let mut head = RequestHead::default();
    match parse_request(input, &Limits::default(), &mut head) {
        Ok(None) => Read::Partial,
        Ok(Some(parsed)) => read_body(parsed.framing, &input[parsed.consumed..]),
        Err(error) => Read::Head(error),
    }
}

/// Reads one response, after which the connection ends.
fn read_response(method: &Method, input: &[u8]) -> Read {
    let mut head = ResponseHead::new(200);
    match parse_response(input, method, &Limits::default(), &mut head) {
        Ok(None) => Read::Partial,
        Ok(Some(parsed)) => read_body(parsed.framing, &input[parsed.consumed..]),
        Err(error) => Read::Response(error),
    }
}

fn read_body(framing: Framing, input: &[u8]) -> Read {
    match decode_in_parts(framing, &[input]) {
        Ok((body, rest, true)) => Read::Whole(framing, body, rest),
        Ok((_, _, false)) => Read::Partial,
        Err(error) => Read::Body(error),
    }
}

/// Body, rest and whether the body is complete, of an input that arrives in parts and then ends.
fn decode_in_parts(framing: Framing, parts: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>, bool), BadBody> {
    let mut decoder = BodyDecoder::new(framing, &Limits::default());
    let (mut body, mut rest) = (Vec::new(), Vec::new());
    for part in parts {
        let mut input = *part;
        while !decoder.is_done() && !input.is_empty() {
            let step = decoder.decode(input)?;
            assert!(step.end || step.consumed > 0, "no progress");
            assert!(step.data.end <= step.consumed && step.consumed <= input.len());
            body.extend_from_slice(&input[step.data]);
            input = &input[step.consumed..];
        }
        rest.extend_from_slice(input);
    }
    let complete = decoder.close().is_ok();
    Ok((body, rest, complete))
}

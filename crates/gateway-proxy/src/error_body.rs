//! Errors as the client wants to read them.

use std::borrow::Cow;

use engine::headers::Headers;

use crate::pdk::ErrorFormat;
use crate::settings::ErrorTemplates;

/// The form for an error of the gateway's own, by the request's `Accept`: the first of those with the highest
/// quality that is known, and JSON if there is none.
pub(crate) fn format_by_accept(headers: &Headers) -> ErrorFormat {
    headers.get_str("Accept").map_or(ErrorFormat::Json, preferred)
}

/// The form for an error of the protocol, found before anything was routed: by `Accept`, else by the request's
/// own type, else `fallback`.
pub(crate) fn format_of_protocol_error(headers: &Headers, fallback: ErrorFormat) -> ErrorFormat {
    let stated = headers.get_str("Accept").or_else(|| headers.get_str("Content-Type"));
    stated.map_or(fallback, preferred)
}

/// The same for a request of which no more than this was understood, its first line and the fields whose lines are
/// complete. One that is not valid is passed over.
pub(crate) fn format_of_read(read: &[u8], fallback: ErrorFormat) -> ErrorFormat {
    let end = memchr::memrchr(b'\n', read).unwrap_or(0);
    let fields = read[..end].split(|byte| *byte == b'\n').skip(1).take_while(|line| !matches!(line, [] | [b'\r']));
    let (mut accepted, mut own) = (None, None);
    for field in fields.filter_map(|line| std::str::from_utf8(line).ok()) {
        let Some((name, value)) = field.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("accept") {
            accepted.get_or_insert(value.trim());
        } else if name.eq_ignore_ascii_case("content-type") {
            own.get_or_insert(value.trim());
        }
    }
    accepted.or(own).map_or(fallback, preferred)
}

/// `Content-Type` of [`page`]s.
pub(crate) const PAGE_TYPE: &str = "text/html; charset=UTF-8";

/// A page as web servers show it.
pub(crate) fn page(title: &str, words: &str) -> String {
    let head = if words.is_empty() { title.to_owned() } else { format!("{} {words}", &title[..title.len().min(3)]) };
    let words = if words.is_empty() { String::new() } else { format!("<center>{words}</center>\r\n") };
    format!(
        "<html>\r\n<head><title>{head}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n{words}\
         </body>\r\n</html>\r\n"
    )
}

/// The media type of `error_default_type` as a form.
pub(crate) fn format_of_type(media_type: &str) -> Option<ErrorFormat> {
    Some(match media_type.trim() {
        "application/json" | "application/*" | "*/*" => ErrorFormat::Json,
        "text/html" => ErrorFormat::Html,
        "application/xml" => ErrorFormat::Xml,
        "text/plain" | "text/*" => ErrorFormat::Plain,
        "application/grpc" => ErrorFormat::Grpc,
        _ => return None,
    })
}

/// `Content-Type` of errors in this form; gRPC has none.
pub(crate) fn content_type(format: ErrorFormat) -> &'static str {
    match format {
        ErrorFormat::Json => "application/json; charset=utf-8",
        ErrorFormat::Html => "text/html; charset=utf-8",
        ErrorFormat::Xml => "application/xml; charset=utf-8",
        ErrorFormat::Plain => "text/plain; charset=utf-8",
        ErrorFormat::Grpc => "",
    }
}

/// The body of an error; gRPC has none. What browsers would read as markup is escaped; JSON gets the message as it is, as
/// from the reference: one that is JSON already, or was escaped by who wrote it, is not escaped again.
pub(crate) fn render(templates: &ErrorTemplates, format: ErrorFormat, message: &str, request_id: &str) -> String {
    let (template, usual, escaped) = match format {
        ErrorFormat::Json => (&templates.json, JSON, false),
        ErrorFormat::Html => (&templates.html, HTML, true),
        ErrorFormat::Xml => (&templates.xml, XML, true),
        ErrorFormat::Plain => (&templates.plain, PLAIN, false),
        ErrorFormat::Grpc => return String::new(),
    };
    let message = if escaped { Cow::Owned(escape(message)) } else { Cow::Borrowed(message) };
    fill(template.as_deref().unwrap_or(usual), [&message, request_id])
}

/// A template with its places taken; those there is nothing for stay empty.
fn fill(template: &str, texts: [&str; 2]) -> String {
    let mut texts = texts.into_iter();
    let mut filled = String::with_capacity(template.len() + 128);
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        filled.push_str(&rest[..at]);
        let (place, length) = match rest.as_bytes().get(at + 1) {
            Some(b's') => (texts.next().unwrap_or_default(), 2),
            Some(b'%') => ("%", 2),
            _ => ("%", 1),
        };
        filled.push_str(place);
        rest = &rest[at + length..];
    }
    filled.push_str(rest);
    filled
}

const JSON: &str = "{\n  \"message\":\"%s\",\n  \"request_id\":\"%s\"\n}";

const HTML: &str = "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    <title>Error</title>\n  \
                    </head>\n  <body>\n    <h1>Error</h1>\n    <p>%s.</p>\n    <p>request_id: %s</p>\n  </body>\n\
                    </html>\n";

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>%s</message>\n  \
                   <requestid>%s</requestid>\n</error>\n";

const PLAIN: &str = "%s\nrequest_id: %s\n";

/// What an error of the protocol or of an upstream is called.
pub(crate) fn usual_message(status: u16) -> String {
    let text = match status {
        400 => "Bad request",
        404 => "Not found",
        405 => "Method not allowed",
        408 => "Request timeout",
        411 => "Length required",
        412 => "Precondition failed",
        413 => "Payload too large",
        414 => "URI too long",
        417 => "Expectation failed",
        494 => "Request header or cookie too large",
        500 => "An unexpected error occurred",
        502 => "An invalid response was received from the upstream server",
        503 => "The upstream server is currently unavailable",
        504 => "The upstream server is timing out",
        other => return format!("The upstream server responded with {other}"),
    };
    text.to_owned()
}

/// The gRPC status that stands for an HTTP status.
pub(crate) fn grpc_status(status: u16) -> u8 {
    match status {
        200 => 0,
        400 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 6,
        429 => 8,
        499 => 1,
        500 => 13,
        501 => 12,
        503 => 14,
        504 => 4,
        _ => 2,
    }
}

fn preferred(accept: &str) -> ErrorFormat {
    if accept == "*/*" {
        return ErrorFormat::Json;
    }
    let mut best = (ErrorFormat::Json, 0.0);
    for range in accept.split(',') {
        let mut parts = range.split(';');
        let Some(media_type) = parts.next().map(str::trim).filter(|media_type| is_media_range(media_type)) else {
            continue;
        };
        let quality = parts
            .find_map(|part| part.trim().strip_prefix("q=").map(|quality| quality.parse().unwrap_or(0.0)))
            .unwrap_or(1.0);
        if quality > best.1 {
            // What is not known is JSON.
            best = (format_of_type(media_type).unwrap_or_default(), quality);
        }
    }
    best.0
}

/// Whether it is two names with `/` between, each of two letters at least or `*`; others are passed over.
fn is_media_range(text: &str) -> bool {
    let is_name = |name: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-!#$&^_+.".contains(&byte);
        name == "*" || name.len() > 1 && name.as_bytes()[0].is_ascii_alphanumeric() && name.bytes().all(letter)
    };
    text.split_once('/').is_some_and(|(kind, subkind)| is_name(kind) && is_name(subkind))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_quality_wins_and_the_first_of_equals() {
        assert_eq!(preferred("text/html,application/json;q=0.9"), ErrorFormat::Html);
        assert_eq!(preferred("text/html;q=0.2, application/xml;q=0.9"), ErrorFormat::Xml);
        assert_eq!(preferred("image/png"), ErrorFormat::Json);
        assert_eq!(preferred("text/plain, text/html"), ErrorFormat::Plain);
        assert_eq!(preferred("image/png, text/html"), ErrorFormat::Json);
        assert_eq!(preferred("image/png;q=0.8, text/*;q=0.9"), ErrorFormat::Plain);
        assert_eq!(preferred("text/html;q=0, x, a/b, */*;q=0.1"), ErrorFormat::Json);
        assert_eq!(preferred("x, text, text/html;level=1;q=0.3"), ErrorFormat::Html);
        assert_eq!(preferred("application/grpc"), ErrorFormat::Grpc);
        assert_eq!(preferred("application/grpc-web"), ErrorFormat::Json);
    }

    #[test]
    fn operators_may_have_bodies_of_their_own() {
        let templates = ErrorTemplates { plain: Some("100%% %s|%s|%s%".into()), ..ErrorTemplates::default() };
        assert_eq!(render(&templates, ErrorFormat::Plain, "no %s", "1"), "100% no %s|1|%");
        assert_eq!(render(&templates, ErrorFormat::Grpc, "no", "1"), "");
        assert!(render(&templates, ErrorFormat::Json, "no", "1").starts_with("{\n  \"message\":\"no\""));
    }

    #[test]
    fn what_a_browser_would_read_as_markup_is_escaped_and_json_is_left_alone() {
        let usual = ErrorTemplates::default();
        assert!(render(&usual, ErrorFormat::Html, "<b>", "1").contains("&lt;b&gt;."));
        let told = "{\n  \"message\":\"{\"a\":1}\",\n  \"request_id\":\"1\"\n}";
        assert_eq!(render(&usual, ErrorFormat::Json, "{\"a\":1}", "1"), told);
    }

    #[test]
    fn complete_fields_of_a_refused_head_tell_the_form() {
        let form = |read: &[u8]| format_of_read(read, ErrorFormat::Plain);
        assert_eq!(form(b"GET / HTTP/1.1\r\nAccept: text/html\r\nX: aaaa"), ErrorFormat::Html);
        assert_eq!(form(b"GET / HTTP/1.1\r\nContent-Type: a/b\r\naccept:application/xml\r\n\r\n"), ErrorFormat::Xml);
        assert_eq!(form(b"GET / HTTP/1.1\r\nContent-Type: text/html\r\nHost: a\r\n\r\n"), ErrorFormat::Html);
        assert_eq!(form(b"GET / HTTP/1.1\r\n\r\nAccept: text/html\r\n"), ErrorFormat::Plain);
        assert_eq!(form(b"GET / HTTP/1.1\r\nAccept: text/html"), ErrorFormat::Plain);
        assert_eq!(form(b""), ErrorFormat::Plain);
    }

    #[test]
    fn pages_name_the_status() {
        assert!(page("505 HTTP Version Not Supported", "").contains("<title>505 HTTP Version Not Supported</title>"));
        let both = page("400 Bad Request", "Plain");
        assert!(both.contains("<title>400 Plain</title>") && both.contains("<center>Plain</center>"));
    }
}

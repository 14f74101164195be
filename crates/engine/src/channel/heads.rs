//! Heads of HTTP/2, as its crate has them, from and to ours.

use std::io;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::headers::{Headers, Names};
use crate::message::{Method, RequestHead, ResponseHead, Version};

/// Reads a request's head; `false` if it lacks what every request must have.
pub(crate) fn read_request<T>(request: &http::Request<T>, head: &mut RequestHead) -> bool {
    head.method = Method::from_token(request.method().as_str());
    head.version = Version::Http2;
    head.target.clear();
    head.headers.clear();
    let uri = request.uri();
    let Some(path) = uri.path_and_query() else {
        return false;
    };
    head.target.extend_from_slice(path.as_str().as_bytes());
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = request.headers().get(http::header::HOST).map(HeaderValue::as_bytes);
    let Some(host) = authority.or(host) else {
        return false;
    };
    head.headers.append_bytes(b"host", host);
    for (name, value) in request.headers() {
        if name != http::header::HOST && name != http::header::COOKIE {
            head.headers.append_bytes(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    // One field for each cookie in HTTP/2, one for all in HTTP/1 (RFC 9113, 8.2.3).
    let cookies = request.headers().get_all(http::header::COOKIE);
    if let (Some(cookie), None) = (cookies.iter().next(), cookies.iter().nth(1)) {
        head.headers.append_bytes(b"cookie", cookie.as_bytes());
    } else if cookies.iter().next().is_some() {
        let cookies: Vec<&[u8]> = cookies.iter().map(HeaderValue::as_bytes).collect();
        head.headers.append_bytes(b"cookie", &cookies.join(b"; ".as_slice()));
    }
    true
}

/// Reads a response's head.
pub(super) fn read_response<T>(response: &http::Response<T>, head: &mut ResponseHead) {
    head.status = response.status().as_u16();
    head.reason = None;
    head.version = Version::Http2;
    head.headers.clear();
    append(response.headers(), &mut head.headers);
}

/// Reads fields.
pub(super) fn read_fields(fields: &HeaderMap) -> Headers {
    let mut headers = Headers::new();
    append(fields, &mut headers);
    headers
}

fn append(fields: &HeaderMap, headers: &mut Headers) {
    for (name, value) in fields {
        headers.append_bytes(name.as_str().as_bytes(), value.as_bytes());
    }
}

/// A request's head for HTTP/2.
pub(crate) fn write_request(head: &RequestHead, tls: bool, length: Option<u64>) -> io::Result<http::Request<()>> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("the {what} cannot be sent"));
    let path = PathAndQuery::try_from(head.target.as_slice()).map_err(|_| invalid("target"))?;
    let host = head.headers.get("host").ok_or_else(|| invalid("host"))?;
    let authority = Authority::try_from(host).map_err(|_| invalid("host"))?;
    let uri = http::Uri::builder()
        .scheme(if tls { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|_| invalid("target"))?;
    let method = http::Method::from_bytes(head.method.as_str().as_bytes()).map_err(|_| invalid("method"))?;
    let mut request = http::Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_2;
    const HOST: Names = Names::new(&["Host"]);
    *request.headers_mut() = write_fields(&head.headers, &HOST);
    put_length(request.headers_mut(), length);
    Ok(request)
}

/// A response's head for HTTP/2 without the fields `without`; `length` of the body, if known.
pub(super) fn write_response(
    head: &ResponseHead,
    without: &Names,
    length: Option<u64>,
) -> io::Result<http::Response<()>> {
    let mut response = http::Response::new(());
    *response.status_mut() =
        http::StatusCode::from_u16(head.status).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    *response.version_mut() = http::Version::HTTP_2;
    *response.headers_mut() = write_fields(&head.headers, without);
    if length.is_some() {
        put_length(response.headers_mut(), length);
    }
    Ok(response)
}

fn put_length(fields: &mut HeaderMap, length: Option<u64>) {
    match length {
        Some(length) => drop(fields.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length))),
        None => drop(fields.remove(http::header::CONTENT_LENGTH)),
    }
}

/// Fields without those that HTTP/2 does not have, and these.
pub(super) fn write_fields(headers: &Headers, without: &Names) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(headers.len() + 1);
    for (name, value) in headers.iter() {
        if is_of_connection(name, value) || without.contains(name) {
            continue;
        }
        // What is not valid here was not valid where it came from.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            fields.append(name, value);
        }
    }
    fields
}

fn is_of_connection(name: &[u8], value: &[u8]) -> bool {
    match name.len() {
        2 => name.eq_ignore_ascii_case(b"te") && !value.eq_ignore_ascii_case(b"trailers"),
        7 => name.eq_ignore_ascii_case(b"upgrade"),
        10 => name.eq_ignore_ascii_case(b"connection") || name.eq_ignore_ascii_case(b"keep-alive"),
        16 => name.eq_ignore_ascii_case(b"proxy-connection"),
        17 => name.eq_ignore_ascii_case(b"transfer-encoding"),
        _ => false,
    }
}

/// What these fields count for.
pub(super) fn size(fields: &HeaderMap) -> u64 {
    fields.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum()
}

//! What is wrong with a message.

/// Why a request is refused. The connection cannot be used afterwards: where the next request begins is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// The request line is not `method SP target SP version`.
    #[error("the request line must be: method, target and version with one space between each")]
    RequestLine,
    /// The method is not made of `A` to `Z`, `-` and `_`.
    #[error("the method must consist of upper-case letters, '-' and '_'")]
    Method,
    /// The target has none of the four forms, or a byte that cannot stand in one.
    #[error("the target must be a path, an absolute http or https URI, or '*' for OPTIONS, without spaces or '#'")]
    Target,
    /// Not `HTTP/` with a version.
    #[error("the request line must end with HTTP/1.1 or HTTP/1.0")]
    Version,
    /// A version other than 1.0 and 1.1.
    #[error("only HTTP/1.1 and HTTP/1.0 are understood")]
    UnsupportedVersion,
    /// A CR without LF, or an LF without CR.
    #[error("lines must end with CR LF")]
    LineEnd,
    /// A field name that is no token, a space before the colon, or a folded line.
    #[error("field names must be tokens followed by ':'")]
    FieldName,
    /// A control character in a field value.
    #[error("field values must not contain control characters")]
    FieldValue,
    /// HTTP/1.1 without `Host`.
    #[error("HTTP/1.1 requests must have a Host")]
    MissingHost,
    /// More than one `Host`.
    #[error("requests must not have more than one Host")]
    SeveralHosts,
    /// A `Host` that is no host with an optional port.
    #[error("Host must be a host name or address with an optional port")]
    Host,
    /// A `Content-Length` that is not just digits, or too large a number.
    #[error("Content-Length must be a decimal number")]
    ContentLength,
    /// `Content-Length` more than once.
    #[error("Content-Length must not be repeated")]
    SeveralContentLengths,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("Content-Length and Transfer-Encoding must not be used together")]
    LengthAndTransferEncoding,
    /// A `Transfer-Encoding` whose last coding is not `chunked`, or that applies it twice.
    #[error("Transfer-Encoding must be chunked")]
    TransferEncoding,
    /// `Transfer-Encoding` in HTTP/1.0, where nobody knows whether it counts.
    #[error("HTTP/1.0 requests must not have Transfer-Encoding")]
    TransferEncodingIn10,
    /// A transfer coding besides `chunked`.
    #[error("the only transfer coding understood is chunked")]
    UnknownTransferCoding,
    /// The request line is longer than allowed.
    #[error("the request line is longer than allowed")]
    LineTooLong,
    /// The head, one of its fields or their number is larger than allowed.
    #[error("the request's head or one of its fields is larger than allowed")]
    HeadTooLarge,
}

impl BadRequest {
    /// The status that says so: 400, 414, 431, 501 or 505.
    pub fn status(self) -> u16 {
        match self {
            Self::LineTooLong => 414,
            Self::HeadTooLarge => 431,
            Self::UnknownTransferCoding => 501,
            Self::UnsupportedVersion => 505,
            _ => 400,
        }
    }
}

/// Why a response is refused. The connection cannot be used afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    /// The first line is not `HTTP/1.x SP status [SP reason]`.
    #[error("the status line must be: HTTP/1.1 or HTTP/1.0, a status of three digits and an optional reason")]
    StatusLine,
    /// A CR without LF.
    #[error("lines must end with CR LF")]
    LineEnd,
    /// A field name that is no token, a space before the colon, or a folded line.
    #[error("field names must be tokens followed by ':'")]
    FieldName,
    /// A control character in a field value.
    #[error("field values must not contain control characters")]
    FieldValue,
    /// A `Content-Length` that is not just digits, or too large a number.
    #[error("Content-Length must be a decimal number")]
    ContentLength,
    /// `Content-Length` more than once.
    #[error("Content-Length must not be repeated")]
    SeveralContentLengths,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("Content-Length and Transfer-Encoding must not be used together")]
    LengthAndTransferEncoding,
    /// A `Transfer-Encoding` other than `chunked`, or one in HTTP/1.0.
    #[error("Transfer-Encoding must be chunked, in HTTP/1.1")]
    TransferEncoding,
    /// The head, one of its fields or their number is larger than allowed.
    #[error("the response's head or one of its fields is larger than allowed")]
    HeadTooLarge,
}

/// Why a body is refused. What follows on the connection cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// A chunk's size is no hexadecimal number, or above 2^63-1.
    #[error("a chunk's size must be a hexadecimal number below 2^63")]
    ChunkSize,
    /// A chunk's line or data does not end with CR LF.
    #[error("chunks must end with CR LF")]
    ChunkEnd,
    /// A control character in a chunk's extensions.
    #[error("chunk extensions must not contain control characters")]
    ChunkExtension,
    /// A chunk's line, or the extensions of all chunks, are longer than allowed.
    #[error("chunk extensions are longer than allowed")]
    ChunkLineTooLong,
    /// A trailer is no field, or its line does not end with CR LF.
    #[error("trailers must be fields with lines that end with CR LF")]
    Trailer,
    /// The trailers are larger or more than allowed.
    #[error("the trailers are larger than allowed")]
    TrailersTooLarge,
    /// The connection ended before the body.
    #[error("the connection ended before the body")]
    Truncated,
}

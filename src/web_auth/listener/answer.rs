use std::fmt::Write as _;

use http::StatusCode;

/// An answer's bytes. Nothing of a request ever gets into one.
pub(super) struct Answer(String);

/// The headers of every answer.
///
/// `no-store` and `no-referrer` because the address that was asked for holds the code; `close` because one connection
/// serves one request.
const HEADERS: &str =
    "connection: close\r\ncache-control: no-store\r\nreferrer-policy: no-referrer\r\nx-content-type-options: nosniff\r\n";

impl Answer {
    pub(super) fn page(status: StatusCode, content_security_policy: &str, html: &str) -> Self {
        let mut answer = Self::head(status, content_security_policy);
        let _ = write!(answer.0, "content-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\r\n{html}", html.len());
        answer
    }

    /// "Get that instead": the browser forgets the address with the code, and what it posted.
    pub(super) fn see_other(path: &str, content_security_policy: &str) -> Self {
        let mut answer = Self::head(StatusCode::SEE_OTHER, content_security_policy);
        let _ = write!(answer.0, "location: {path}\r\ncontent-length: 0\r\n\r\n");
        answer
    }

    fn head(status: StatusCode, content_security_policy: &str) -> Self {
        let reason = status.canonical_reason().unwrap_or_default();
        Self(format!("HTTP/1.1 {} {reason}\r\n{HEADERS}content-security-policy: {content_security_policy}\r\n", status.as_u16()))
    }

    /// RFC 9110, section 15.5.6: a 405 "MUST generate an Allow header field".
    #[must_use]
    pub(super) fn allowing(mut self, methods: &str) -> Self {
        let end_of_status = self.0.find("\r\n").map_or(0, |end| end + 2);
        self.0.insert_str(end_of_status, &format!("allow: {methods}\r\n"));
        self
    }

    /// The answer to HEAD: "the server MUST NOT send content" (RFC 9110, section 9.3.2).
    #[must_use]
    pub(super) fn without_body(mut self) -> Self {
        if let Some(end) = self.0.find("\r\n\r\n") {
            self.0.truncate(end + 4);
        }
        self
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

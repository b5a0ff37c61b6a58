use http::{Method, StatusCode};

/// The head of one HTTP/1.1 request, read more strictly than RFC 9112 demands: whatever two parsers could understand
/// in two ways is refused.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    headers: Vec<(&'a str, &'a [u8])>,
}

/// Looks for the end of a head in bytes that arrive bit by bit, and refuses at the first byte that cannot belong to one:
/// TLS, a bare LF, a folded line, NUL, more than there may be.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    seen: usize,
    line_start: usize,
    /// The position of the headers, once the request line was seen.
    headers_start: Option<usize>,
}

pub(super) const REQUEST_LINE_MAX: usize = 8 * 1024;
pub(super) const HEADERS_MAX: usize = 32 * 1024;
/// No head is longer: its parts, the line end between them, and the two at its end.
pub(super) const HEAD_MAX: usize = REQUEST_LINE_MAX + 2 + HEADERS_MAX + 4;
const HEADERS_COUNT_MAX: usize = 128;

impl HeadScanner {
    /// The head's length as soon as all of it is in `bytes`, which are those of the call before and maybe more.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, StatusCode> {
        while let Some(&byte) = bytes.get(self.seen) {
            let position = self.seen;
            let after_cr = position > 0 && bytes[position - 1] == b'\r';
            if after_cr != (byte == b'\n') {
                return Err(StatusCode::BAD_REQUEST);
            }
            match self.headers_start {
                None => self.request_line_byte(position, byte)?,
                Some(start) => self.header_byte(position, byte, start)?,
            }
            self.seen += 1;
            if byte == b'\n' {
                let empty = self.line_start + 1 == position;
                self.line_start = self.seen;
                if empty {
                    // An empty first line was refused by its first byte already.
                    return Ok(Some(self.seen));
                }
                self.headers_start.get_or_insert(self.seen);
            }
        }
        Ok(None)
    }

    fn request_line_byte(&self, position: usize, byte: u8) -> Result<(), StatusCode> {
        let line_end = matches!(byte, b'\r' | b'\n');
        if position == 0 && !byte.is_ascii_uppercase() || !(line_end || byte == b' ' || byte.is_ascii_graphic()) {
            return Err(StatusCode::BAD_REQUEST);
        }
        if position >= REQUEST_LINE_MAX && !line_end {
            return Err(StatusCode::URI_TOO_LONG);
        }
        Ok(())
    }

    fn header_byte(&self, position: usize, byte: u8, start: usize) -> Result<(), StatusCode> {
        let line_end = matches!(byte, b'\r' | b'\n');
        // A line that begins with white space would continue the one before it (RFC 9112, section 5.2: obs-fold).
        let folded = position == self.line_start && matches!(byte, b' ' | b'\t');
        if folded || !line_end && byte != b'\t' && byte.is_ascii_control() {
            return Err(StatusCode::BAD_REQUEST);
        }
        if position - start >= HEADERS_MAX && !line_end {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        Ok(())
    }
}

impl<'a> Head<'a> {
    /// `bytes` are those that a [`HeadScanner`] found the end of.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, StatusCode> {
        let mut fields = [httparse::EMPTY_HEADER; HEADERS_COUNT_MAX];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            _ => return Err(StatusCode::BAD_REQUEST),
        }
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
            return Err(StatusCode::BAD_REQUEST);
        };
        if version != 1 {
            return Err(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
        }
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
        // The origin form only (RFC 9112, section 3.2.1). CONNECT's authority form is left to the check of the method.
        if method != Method::CONNECT && !target.starts_with('/') || target.contains('#') {
            return Err(StatusCode::BAD_REQUEST);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = request.headers.iter().map(|field| (field.name, field.value)).collect();
        Ok(Self { method, path, query, headers })
    }

    /// The one value of a header; twice is once too often.
    pub(super) fn header(&self, name: &str) -> Result<Option<&'a [u8]>, StatusCode> {
        let mut values = self.headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
        let value = values.next();
        if values.next().is_some() { Err(StatusCode::BAD_REQUEST) } else { Ok(value) }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
    }
}

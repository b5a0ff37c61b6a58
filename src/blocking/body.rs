use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};

use bytes::Bytes;

use super::upload::Upload;

/// The body of a request: bytes, text, or a reader.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use hallpass::testing::{Api, TestProvider};
/// # let runtime = tokio::runtime::Runtime::new()?; // the server's
/// # let provider = runtime.block_on(TestProvider::start());
/// # let server = runtime.block_on(Api::start(&provider, "https://api.acme.com"));
/// # let token = hallpass::AccessToken::bearer(provider.access_token("https://api.acme.com", ""))?;
/// # let api = hallpass::blocking::AuthorizedClient::new(token)?.base_url(server.url())?;
/// # let path = std::env::temp_dir().join(format!("film-{}.mp4", std::process::id()));
/// # std::fs::write(&path, [7; 100_000])?;
/// use hallpass::blocking::Body;
///
/// let film = std::fs::File::open(&path)?; // of any size: it is read as it is sent
/// # std::fs::remove_file(&path)?;
/// api.put("films/1").body(film).send()?.error_for_status()?;
/// let anything = std::io::Read::chain(&b"a heading, "[..], &b"and what follows"[..]);
/// api.put("films/2").body(Body::new(anything)).send()?.error_for_status()?;
/// # Ok(()) }
/// ```
///
/// Bytes and text are sent again when a token was refused and another one is there; what is read cannot be, and the 401 is
/// returned.
pub struct Body(reqwest::Body);

impl Body {
    /// Sends the bytes of a reader, to its end.
    pub fn new(reader: impl Read + Send + 'static) -> Self {
        Self(reqwest::Body::wrap(Upload::new(Box::new(reader), None)))
    }

    /// Sends the bytes of a reader whose length in bytes is known. The request has a `Content-Length`.
    pub fn sized(reader: impl Read + Send + 'static, length: u64) -> Self {
        Self(reqwest::Body::wrap(Upload::new(Box::new(reader), Some(length))))
    }

    pub(super) fn into_inner(self) -> reqwest::Body {
        self.0
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(bytes.into())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

/// From where it stands to its end. Only of a regular file is the length known.
impl From<File> for Body {
    fn from(mut file: File) -> Self {
        let is_regular = file.metadata().ok().filter(std::fs::Metadata::is_file);
        match is_regular.and_then(|metadata| metadata.len().checked_sub(file.stream_position().ok()?)) {
            Some(length) => Self::sized(file, length),
            None => Self::new(file),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

//! The `tracing` spans of a login, a renewal and a call. Without the feature they do nothing.
//!
//! What is shown is an allow-list: client ids, methods, hosts, statuses, attempts, and errors, which hold no secret. No URL, header, body,
//! token or name of a session is ever among it.

use http::{Method, StatusCode};
use url::Url;

use crate::error::Result;

/// One operation, from its start to its outcome.
#[derive(Clone)]
pub(crate) struct Span {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
    /// Logs a failure, because the program may not get it: another token may serve.
    #[cfg(feature = "tracing")]
    warns: bool,
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nobody looks"))]
impl Span {
    /// A person logs in.
    pub(crate) fn login(client_id: &str) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::info_span!(target: "hallpass", "login", client_id, outcome = tracing::field::Empty),
            #[cfg(feature = "tracing")]
            warns: false,
        }
    }

    /// New tokens are got without a person.
    pub(crate) fn renewal(client_id: &str) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::info_span!(target: "hallpass", "renewal", client_id, outcome = tracing::field::Empty),
            #[cfg(feature = "tracing")]
            warns: true,
        }
    }

    /// An API is called. Its path may hold more than a log should.
    pub(crate) fn call(method: &Method, url: &Url) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::debug_span!(
                target: "hallpass",
                "call",
                method = method.as_str(),
                host = url.host_str(),
                attempts = tracing::field::Empty,
                status = tracing::field::Empty,
                outcome = tracing::field::Empty
            ),
            #[cfg(feature = "tracing")]
            warns: false,
        }
    }

    /// The API has answered a call: which try this was, redirects aside, and what came of it.
    pub(crate) fn answered(&self, attempt: u32, status: StatusCode) {
        #[cfg(feature = "tracing")]
        {
            let status = status.as_u16();
            self.span.record("attempts", attempt).record("status", status);
            tracing::debug!(target: "hallpass", parent: &self.span, attempt, status, "answered");
        }
    }

    #[cfg(feature = "tracing")]
    pub(crate) async fn watch<T>(self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let Self { span, warns } = self;
        let result = tracing::Instrument::instrument(work, span.clone()).await;
        let _inside = span.enter();
        match &result {
            Ok(_) => {
                span.record("outcome", "done");
                tracing::debug!(target: "hallpass", "done");
            }
            Err(error) => {
                span.record("outcome", tracing::field::debug(error.kind()));
                if warns {
                    tracing::warn!(target: "hallpass", "failed: {error}");
                } else {
                    tracing::debug!(target: "hallpass", "failed: {error}");
                }
            }
        }
        result
    }

    #[cfg(not(feature = "tracing"))]
    pub(crate) fn watch<T, F: Future<Output = Result<T>> + Send>(self, work: F) -> F {
        work
    }
}

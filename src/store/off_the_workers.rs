use crate::error::{Error, ErrorKind, Result};

/// Runs what blocks on a thread made for that. When the future is dropped, the work goes on, and what it returns is dropped.
pub(crate) async fn off_the_workers<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => {
            Err(Error::new(ErrorKind::Store, "the credentials' store was interrupted; try again while the runtime is up")
                .with_source(error))
        }
    }
}

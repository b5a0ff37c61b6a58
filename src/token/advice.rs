use crate::error::Error;

/// A grant's refusal, with what can be done about it. `handed` is what the provider was handed: "the subject token".
pub(crate) fn advised(error: Error, handed: &str) -> Error {
    if error.server_error().is_some_and(|server| server.code() == "invalid_grant") {
        return error.with_advice(format!("{handed} is not good, good no longer, or not this application's to hand in"));
    }
    error
}

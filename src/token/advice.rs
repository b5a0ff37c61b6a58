use crate::error::Error;

/// A grant's refusal, with what can be done about it. `handed` is what the provider was handed: "the subject token".
pub(crate) fn advised(error: Error, handed: &str) -> Error {
    let Some(server) = error.server_error() else { return error };
    let advice = match server.code() {
        "invalid_grant" => format!("{handed} is not good, good no longer, or not this application's to hand in"),
        "invalid_target" => {
            "name an audience or a resource that the provider knows and gives this application tokens for".to_owned()
        }
        "invalid_scope" => "ask for scopes that this application may have".to_owned(),
        "unsupported_grant_type" => "the provider does not know this grant, or has it turned off".to_owned(),
        "unauthorized_client" => "allow this grant in the application's settings at the provider".to_owned(),
        _ => return error,
    };
    error.with_advice(&advice)
}

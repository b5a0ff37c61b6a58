use keyring_core::api::CredentialStoreApi as _;
use keyring_core::{Entry, Error as KeyringError};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::store::SealingKey;

/// The key that the keychain holds for a program, if there is one. Blocks, as long as the person is asked to unlock it.
pub(super) fn read(program: &str) -> Result<Option<SealingKey>> {
    let secret = match entry(program).and_then(|entry| entry.get_secret()) {
        Ok(secret) => Zeroizing::new(secret),
        Err(KeyringError::NoEntry) => return Ok(None),
        Err(error) => return Err(unusable(&error)),
    };
    let Ok(bytes) = <[u8; 32]>::try_from(secret.as_slice()) else {
        let message =
            format!("the keychain's entry {program} ({USER}) holds no key of this library; remove it there to log in anew");
        return Err(Error::new(ErrorKind::Store, message));
    };
    Ok(Some(SealingKey::from_bytes(bytes)))
}

/// Blocks likewise.
pub(super) fn write(program: &str, key: &SealingKey) -> Result<()> {
    entry(program).and_then(|entry| entry.set_secret(key.expose())).map_err(|error| unusable(&error))
}

// A connection for each call: it lasts no longer than the call, and calls are few.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
fn entry(program: &str) -> keyring_core::Result<Entry> {
    zbus_secret_service_keyring_store::Store::new()?.build(program, USER, None)
}

#[cfg(target_os = "macos")]
fn entry(program: &str) -> keyring_core::Result<Entry> {
    apple_native_keyring_store::keychain::Store::new()?.build(program, USER, None)
}

#[cfg(windows)]
fn entry(program: &str) -> keyring_core::Result<Entry> {
    // It stays on this machine, as the records do.
    let modifiers = std::collections::HashMap::from([("persistence", "Local")]);
    windows_native_keyring_store::Store::new()?.build(program, USER, Some(&modifiers))
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd", target_os = "macos", windows)))]
fn entry(_: &str) -> keyring_core::Result<Entry> {
    Err(KeyringError::NotSupportedByStore("no keychain is known for this platform".to_owned()))
}

fn unusable(error: &KeyringError) -> Error {
    // Its text only: some of these errors hold what the entry holds.
    let failed = |message: &'static str| Error::new(ErrorKind::Store, message).with_source(error.to_string());
    if is_missing(error) {
        let message = "this machine has no keychain; keep the credentials in a store::File that is sealed with a key of your own, \
                       or in store::Memory";
        return failed(message).no_keychain();
    }
    failed("this machine's keychain cannot be used; unlock it, and try again")
}

/// Returns whether there is no session bus, or no Secret Service that runs on it or that it can start.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
fn is_missing(error: &KeyringError) -> bool {
    use secret_service::Error as ServiceError;

    let KeyringError::PlatformFailure(cause) = error else { return false };
    match cause.downcast_ref() {
        Some(ServiceError::Unavailable) => true,
        Some(ServiceError::Zbus(error)) => is_unknown_to_bus(error),
        Some(ServiceError::ZbusFdo(error)) => is_unknown_service(error),
        _ => false,
    }
}

#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
fn is_unknown_to_bus(error: &zbus::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};

    match error {
        zbus::Error::Address(_) | zbus::Error::InterfaceNotFound => true,
        zbus::Error::InputOutput(error) | zbus::Error::Connection(error, _) => {
            matches!(error.kind(), NotFound | ConnectionRefused)
        }
        zbus::Error::FDO(error) => is_unknown_service(error),
        // D-Bus Specification, "Message Bus Messages": the name has no owner, and no service file names it.
        zbus::Error::MethodError(name, ..) => matches!(
            name.as_str(),
            "org.freedesktop.DBus.Error.ServiceUnknown"
                | "org.freedesktop.DBus.Error.NameHasNoOwner"
                | "org.freedesktop.DBus.Error.Spawn.ServiceNotFound"
        ),
        _ => false,
    }
}

#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd"))]
fn is_unknown_service(error: &zbus::fdo::Error) -> bool {
    use zbus::fdo::Error as BusError;

    match error {
        BusError::ServiceUnknown(_) | BusError::NameHasNoOwner(_) | BusError::SpawnServiceNotFound(_) => true,
        BusError::ZBus(error) => is_unknown_to_bus(error),
        _ => false,
    }
}

/// Returns whether this session has no keychain: a macOS process without one, a Windows logon over a network. A locked
/// keychain is another error.
#[cfg(any(target_os = "macos", windows))]
fn is_missing(error: &KeyringError) -> bool {
    matches!(error, KeyringError::NoStorageAccess(_))
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "openbsd", target_os = "macos", windows)))]
fn is_missing(error: &KeyringError) -> bool {
    matches!(error, KeyringError::NotSupportedByStore(_))
}

/// The account beside the program's name, in the keychain's own words.
const USER: &str = "sealing key";

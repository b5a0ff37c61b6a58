//! A store of one's own: credentials in whatever place a program has already, a table of its database here.
//!
//! `cargo run --example custom_store` puts it through the suite that every store has to pass, and then logs in with it.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod terminal;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hallpass::store::{CredentialsStore, Record, RecordKey};
use hallpass::testing::{Endpoint, TestBrowser, TestProvider, store_contract};
use hallpass::{CredentialsManager, Error, Result, WebAuth};

/// `CREATE TABLE sessions (id TEXT PRIMARY KEY, generation BIGINT NOT NULL, record BYTEA NOT NULL)`
///
/// Records hold tokens: encrypt the column, or seal records with `store::SealingKeys`, if others can read the table.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<Table>>);

type Table = HashMap<String, (u64, Vec<u8>)>;

impl CredentialsStore for Sessions {
    /// `SELECT record FROM sessions WHERE id = $1`
    async fn load(&self, key: &RecordKey) -> Result<Option<Record>> {
        let row = self.table(|rows| rows.get(&key.id()).cloned())?;
        row.map(|(_, record)| Record::from_bytes(record)).transpose()
    }

    /// `INSERT … ON CONFLICT DO NOTHING` if none is expected, else `UPDATE … WHERE id = $1 AND generation = $2`: one
    /// statement, so that of two who read the same record one is refused. Whether it changed a row is the answer.
    async fn save(&self, key: &RecordKey, expected: Option<u64>, record: &Record) -> Result<bool> {
        self.table(|rows| {
            let is_expected = rows.get(&key.id()).map(|(generation, _)| *generation) == expected;
            if is_expected {
                rows.insert(key.id(), (record.generation(), record.as_bytes().to_vec()));
            }
            is_expected
        })
    }

    /// `DELETE FROM sessions WHERE id = $1`
    async fn remove(&self, key: &RecordKey) -> Result<()> {
        self.table(|rows| drop(rows.remove(&key.id())))
    }

    // `lock` is exclusive within this process. Where several share the table, take a lock of the database there, such as
    // PostgreSQL's `pg_advisory_lock`.
}

impl Sessions {
    /// A database fails in its own way: `Error::store` carries that.
    fn table<T>(&self, query: impl FnOnce(&mut Table) -> T) -> Result<T> {
        let mut rows = self.0.lock().map_err(|PoisonError { .. }| Error::store("the table is broken"))?;
        Ok(query(&mut rows))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    terminal::show_logs();
    let sessions = Sessions::default();
    store_contract(|| sessions.clone()).await;
    terminal::heading("The store does all that a store has to do");

    terminal::heading("A session is kept in it");
    let provider = TestProvider::start().await;
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid email offline_access").ephemeral_port();
    for start in ["start 1", "start 2"] {
        // A new manager, as a program has one that was started again.
        let session = CredentialsManager::new(auth.clone().browser(TestBrowser::new()), sessions.clone());
        session.login_if_needed().await?;
        let email = session.user().await?.and_then(|user| user.email()).unwrap_or_default();
        terminal::fact(start, format!("{email} is logged in; the browser has opened {} time", provider.count(Endpoint::Authorize)));
    }
    Ok(())
}

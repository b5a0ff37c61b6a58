use std::sync::Arc;

use crate::application::Application;
use crate::clock::Timestamp;
use crate::credentials::Credentials;
use crate::error::{Error, ErrorKind, Result};
use crate::manager::content::{Content, Wanted};
use crate::manager::program::Program;
use crate::manager::session::{Known, Moment, Purpose, Session, Unsaved};
use crate::manager::settings::Settings;
use crate::store::dynamic::DynCredentialsStore;
use crate::store::{Lock, Record};

/// A session in its store, and what this process knows of it: the two are brought together here and nowhere else.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) program: Arc<Program>,
    pub(crate) session: Arc<Session>,
}

impl Kept {
    pub(crate) fn application(&self) -> &Application {
        self.program.application()
    }

    pub(crate) fn store(&self) -> &dyn DynCredentialsStore {
        &*self.program.store
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.program.settings
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.application().time().now()
    }

    /// What this process knows and the store holds, if it will do.
    pub(crate) fn at_hand(&self, wanted: &Wanted, purpose: &Purpose) -> Option<Credentials> {
        let known = self.session.known().filter(|known| known.unsaved.is_none())?;
        self.fitting(&known.content, wanted, purpose)
    }

    pub(crate) fn fitting(&self, content: &Content, wanted: &Wanted, purpose: &Purpose) -> Option<Credentials> {
        if matches!(purpose, Purpose::New) {
            return None;
        }
        let credentials = content.fresh(wanted, self.settings().min_ttl, self.now())?;
        (!purpose.rules_out(credentials.access_token())).then(|| credentials.clone())
    }

    /// What the store holds, or should hold. Nothing is written, and nothing learnt.
    pub(crate) async fn look(&self) -> Result<Option<Content>> {
        match self.session.known() {
            Some(known) if known.unsaved.is_some() => Ok(Some(known.content.clone())),
            _ => self.read().await,
        }
    }

    /// The record as it stands in the store, once what could not be written there has been tried again.
    pub(crate) async fn load(&self) -> Result<Arc<Known>> {
        self.try_again_to_write().await?;
        let since = self.session.moment();
        self.learn(self.read().await?, since)
    }

    /// The same, for who holds the lock.
    pub(crate) async fn load_locked(&self, lock: &Lock) -> Result<Arc<Known>> {
        if self.try_again_to_write().await? {
            // What the store learnt when it locked is over.
            return self.load().await;
        }
        let since = self.session.moment();
        let record = self.store().load_locked(&self.session.key, lock).await?;
        self.learn(record.map(|record| self.content(&record)).transpose()?, since)
    }

    fn learn(&self, content: Option<Content>, since: Moment) -> Result<Arc<Known>> {
        let Some(content) = content else {
            self.session.found_nothing(since);
            return Err(nobody_logged_in());
        };
        let known = self.session.read(content, since);
        if known.content.session_end().is_some_and(|end| end <= self.now()) {
            return Err(Error::new(ErrorKind::LoginRequired, "the session has reached its end; a person has to log in again"));
        }
        Ok(known)
    }

    /// What a login gave, in the place of what is there. It is kept in memory when the store will not have it.
    pub(crate) async fn save_login(&self, credentials: &Credentials) -> Result<()> {
        let since = self.session.moment();
        let login = Content::of_login(credentials.clone(), self.now(), None);
        match self.replace_by(&login).await {
            Ok(stored) => self.session.wrote(stored, since),
            Err(error) if error.kind() == ErrorKind::Store => {
                self.session.could_not_write(login, Unsaved::Login, since);
                return Err(error.rescuing(credentials));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// `true` when there was something to write.
    async fn try_again_to_write(&self) -> Result<bool> {
        let Some(known) = self.session.known() else { return Ok(false) };
        let Some(unsaved) = known.unsaved else { return Ok(false) };
        self.write_again(&known.content, unsaved).await.map(|()| true)
    }

    async fn write_again(&self, content: &Content, unsaved: Unsaved) -> Result<()> {
        let since = self.session.moment();
        match unsaved {
            Unsaved::Login => {
                let stored = self.replace_by(content).await?;
                self.session.wrote(stored, since);
            }
            Unsaved::Renewal { of } => {
                if self.store().save(&self.session.key, Some(of), &content.to_record(&self.session.key)).await? {
                    self.session.wrote(content.clone(), since);
                } else {
                    // Somebody else was there, or the failed write had done its work after all: what the store holds counts.
                    self.session.forget();
                }
            }
        }
        Ok(())
    }

    /// Puts a login in the place of whatever there is.
    async fn replace_by(&self, login: &Content) -> Result<Content> {
        for _ in 0..MOST_ATTEMPTS {
            // What cannot be read, or is another application's, is not written over.
            let stored = self.read().await?.map(|content| content.generation);
            let login = login.following(stored, self.now());
            if self.store().save(&self.session.key, stored, &login.to_record(&self.session.key)).await? {
                return Ok(login);
            }
        }
        Err(Error::new(ErrorKind::Store, "the stored credentials were replaced again and again meanwhile; try again").transient())
    }

    async fn read(&self) -> Result<Option<Content>> {
        let record = self.store().load(&self.session.key).await?;
        record.map(|record| self.content(&record)).transpose()
    }

    fn content(&self, record: &Record) -> Result<Content> {
        Content::from_record(record, &self.session.key, self.application())
    }
}

fn nobody_logged_in() -> Error {
    Error::new(ErrorKind::LoginRequired, "nobody has logged in yet; start a login and save its credentials")
}

const MOST_ATTEMPTS: usize = 10;

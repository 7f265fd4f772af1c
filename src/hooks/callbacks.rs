//! What executables of plugins may do while they run: each has a token, which is in memory only and dies with the run.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::formats::plugin_toml::Apps;
use crate::model::app_name::AppName;
use crate::model::plugin::PluginName;
use crate::model::role::{AppAccess, Caller, PluginPass, Role};
use crate::plugin::Plugin;

tokio::task_local! {
    /// The plugins because of whose callbacks this task does what it does, the first first.
    static CAUSES: Vec<PluginName>;
}

/// The runs that are under way. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Callbacks {
    /// Protects the map only; never held across an await.
    sessions: Arc<Mutex<HashMap<u64, Session>>>,
}

/// One run that may call back.
#[derive(Clone, Debug)]
pub struct Session {
    token: String,
    plugin: PluginName,
    caller: Caller,
    causes: Vec<PluginName>,
}

/// The token of a run. It is void once this is dropped.
#[derive(Debug)]
pub struct Token {
    text: String,
    number: u64,
    callbacks: Callbacks,
}

impl Callbacks {
    /// Lets an executable of a plugin call back, for the app that it is run for.
    pub fn admit(&self, plugin: &Plugin, app: Option<&AppName>, is_deploying: bool) -> Token {
        let permissions = &plugin.manifest.permissions;
        let access = match permissions.apps {
            Apps::All => AppAccess::All,
            Apps::Event => AppAccess::Only(app.cloned().into_iter().collect()),
        };
        let pass = PluginPass {
            plugin: plugin.name.to_string(),
            commands: permissions.commands.clone(),
            deploying: app.filter(|_| is_deploying).cloned(),
        };
        let caller = Caller {
            name: format!("plugin {}", plugin.name),
            fingerprint: None,
            role: Role::Admin,
            access,
            pass: Some(Arc::new(pass)),
        };
        let bytes: [u8; 32] = rand::random();
        let text = bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            write!(text, "{byte:02x}").ok();
            text
        });
        let number: u64 = rand::random();
        let session = Session { token: text.clone(), plugin: plugin.name.clone(), caller, causes: causes() };
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(number, session);
        Token { text, number, callbacks: self.clone() }
    }

    /// The run with that token. All are compared, each in the same time whatever it is.
    pub fn find(&self, token: &str) -> Option<Session> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |session: &&Session| verify_slices_are_equal(session.token.as_bytes(), token.as_bytes()).is_ok();
        sessions.values().filter(is_it).last().cloned()
    }
}

impl Session {
    /// Who calls.
    pub fn caller(&self) -> Caller {
        self.caller.clone()
    }

    /// Does something on behalf of the run: the plugins that led to it are not told of what comes of it, so that none
    /// goes round in a circle.
    pub async fn on_behalf<T>(&self, work: impl Future<Output = T>) -> T {
        let mut causes = self.causes.clone();
        causes.push(self.plugin.clone());
        CAUSES.scope(causes, work).await
    }
}

impl Token {
    /// As the executable gets it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let mut sessions = self.callbacks.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&self.number);
    }
}

/// The plugins because of whose callbacks this task does what it does.
pub(super) fn causes() -> Vec<PluginName> {
    CAUSES.try_with(Clone::clone).unwrap_or_default()
}

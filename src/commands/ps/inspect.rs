//! `ps:inspect`.

use clap::Args;
use serde_json::Value;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::table::print_json;
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::error::EngineError;
use crate::model::role::Role;

/// What stands in the place of what is secret.
const MASK: &str = "*****";
/// The shortest value that is looked for in commands. Shorter ones would be found where they are no secret.
const SHORTEST: usize = 4;

/// Shows what the engine says of an app's instances, as JSON with the values of config vars masked
#[derive(Debug, Args)]
pub struct Inspect {
    /// The app
    app: String,
}

impl Command for Inspect {
    const NAME: &'static str = "ps:inspect";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        if record.current_release.is_none() {
            return Err(CommandError::not_deployed(&record.name));
        }
        let mut shown = Vec::new();
        for instance in context.app.store.instances(Some(record.id)).await? {
            match context.app.engine.inspect_whole(&instance.container).await {
                Ok(mut container) => {
                    mask(&mut container);
                    shown.push(container);
                }
                // It is gone, and is about to be replaced.
                Err(EngineError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        print_json(context.console(), &shown).await?;
        Ok(0)
    }
}

/// Masks the values of the environment, also where a Procfile put them into a command.
fn mask(container: &mut Value) {
    let mut secrets = Vec::new();
    if let Some(Value::Array(pairs)) = container.pointer_mut("/Config/Env") {
        for pair in pairs {
            let Some((key, value)) = pair.as_str().and_then(|text| text.split_once('=')) else { continue };
            if value.len() >= SHORTEST {
                secrets.push(value.to_owned());
            }
            *pair = Value::String(format!("{key}={MASK}"));
        }
    }
    // Longer ones first: one may be the beginning of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for place in ["/Path", "/Args", "/Config/Cmd", "/Config/Entrypoint"] {
        if let Some(value) = container.pointer_mut(place) {
            mask_words(value, &secrets);
        }
    }
}

fn mask_words(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) => {
            for secret in secrets {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), MASK);
                }
            }
        }
        Value::Array(words) => words.iter_mut().for_each(|word| mask_words(word, secrets)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_of_the_environment_is_left() {
        let mut container = json!({
            "Path": "/bin/app", "Args": ["--token=hunter2hunter2", "1"],
            "Config": {"Env": ["TOKEN=hunter2", "LONG=hunter2hunter2", "A=1", "EMPTY="], "Cmd": ["hunter2"],
                       "Entrypoint": null, "Image": "x"},
        });
        mask(&mut container);
        assert_eq!(
            container["Config"]["Env"],
            json!(["TOKEN=*****", "LONG=*****", "A=*****", "EMPTY=*****"])
        );
        assert_eq!(container["Args"], json!(["--token=*****", "1"]));
        assert!(!container.to_string().contains("hunter2"), "{container}");
    }
}

//! `router:*`: what is set about an app's requests, and what would become of one.

pub mod error_page;
pub mod explain;
pub mod report;
pub mod set;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::requests::policy::read;
use crate::store::apps::AppId;

/// The largest page that is kept, in bytes.
pub(super) const LARGEST_PAGE: usize = 512 << 10;

/// What is kept about an app's requests under a name, as it is now.
pub(super) async fn kept<T: DeserializeOwned + Default>(
    context: &Context,
    app: AppId,
    name: &'static str,
) -> Result<T, CommandError> {
    Ok(read(&context.app.store.request_properties(Some(app)).await?, name))
}

/// Changes what is kept about an app's requests, and puts it in force. An error changes nothing.
pub(super) async fn change_kept<T, R>(
    context: &Context,
    name: &'static str,
    change: impl FnOnce(&mut T) -> Result<R, CommandError> + Send + 'static,
) -> Result<R, CommandError>
where
    T: Serialize + DeserializeOwned + Default,
    R: Send + 'static,
{
    let app = context.target()?.id;
    let unreadable =
        |error| CommandError::internal("What is kept about the app's requests cannot be used", error);
    let change = move |text: Option<String>| {
        let mut kept =
            text.map_or_else(|| Ok(T::default()), |text| serde_json::from_str(&text)).map_err(unreadable)?;
        let result = change(&mut kept)?;
        Ok::<_, CommandError>((Some(serde_json::to_string(&kept).map_err(unreadable)?), result))
    };
    let result = context.app.store.change_property(app, name, change).await??;
    context.app.reconciler.publish_routes().await;
    Ok(result)
}

/// Reads a page from standard input.
pub(super) async fn read_page(context: &mut Context, example: &str) -> Result<String, CommandError> {
    let hint = format!("For example: {example}");
    let bytes =
        context.io.read_stdin(LARGEST_PAGE).await.map_err(|error| CommandError::user(error).hint(&hint))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| CommandError::user("The page on standard input is no UTF-8 text").hint(&hint))?;
    if text.trim().is_empty() {
        return Err(CommandError::user("There is no page on standard input").hint(&hint));
    }
    Ok(text)
}

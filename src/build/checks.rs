//! The legacy `CHECKS` file: the checks of web, where app.json has none.

use crate::build::{BuildOrder, BuildStageError};
use crate::formats::checks;
use crate::model::app_json::AppJson;
use crate::model::process_type::ProcessType;

/// Adds the checks of the file, if there is one. Those of app.json win, which is said.
pub async fn add(
    order: &BuildOrder<'_>,
    mut app_json: AppJson,
    file: Option<Vec<u8>>,
) -> Result<AppJson, BuildStageError> {
    let Some(file) = file else { return Ok(app_json) };
    if app_json.healthchecks.contains_key(&ProcessType::web()) {
        order.console.warn("The CHECKS file is left out: app.json has healthchecks for web").await;
        return Ok(app_json);
    }
    app_json.healthchecks.insert(ProcessType::web(), checks::parse(&file)?);
    Ok(app_json)
}

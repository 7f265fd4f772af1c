//! What BuildKit tells: a graph of steps ("vertexes"), several at once, as one calm text.

use std::collections::{HashMap, HashSet};

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexStatus};

use crate::docker::build::error::{BuildError, FailedStep};
use crate::docker::build::line::BuildLine;
use crate::docker::build::splitter::LineSplitter;

/// Layers smaller than this come too fast to be worth a line.
const LAYER_WORTH_A_LINE: i64 = 1024 * 1024;

/// The longest title, in characters. A heredoc is one instruction.
const TITLE_LIMIT: usize = 200;

/// What BuildKit calls the last step, whose name is no instruction.
const EXPORT: &str = "exporting to image";

/// A build as BuildKit has told it so far.
#[derive(Debug, Default)]
pub(super) struct KitProgress {
    steps: HashMap<String, Step>,
    /// The step whose title was told last: output below it is its own.
    current: Option<String>,
    /// The first step that failed by itself.
    failed: Option<String>,
    /// Layers whose arrival was told.
    layers: HashSet<String>,
}

#[derive(Debug, Default)]
struct Step {
    name: String,
    told: bool,
    error: String,
    output: LineSplitter,
}

impl KitProgress {
    /// Takes one message and gives what is new in it.
    pub(super) fn absorb(&mut self, status: StatusResponse) -> Vec<BuildLine> {
        let mut lines = Vec::new();
        for vertex in &status.vertexes {
            self.begin(vertex, &mut lines);
        }
        for layer in &status.statuses {
            lines.extend(self.layer_line(layer));
        }
        for log in status.logs {
            let output = match self.steps.get_mut(&log.vertex) {
                Some(step) => step.output.push(&log.msg),
                None => continue,
            };
            self.tell_output(&log.vertex, output, &mut lines);
        }
        for vertex in status.vertexes {
            if vertex.completed.is_some() {
                self.end(vertex, &mut lines);
            }
        }
        for warning in status.warnings {
            lines.push(BuildLine::Note(format!("Warning: {}", String::from_utf8_lossy(&warning.short))));
        }
        lines
    }

    /// What was held back because its line had not ended.
    pub(super) fn rest(&mut self) -> Vec<BuildLine> {
        let held: Vec<(String, String)> = self
            .steps
            .iter_mut()
            .filter_map(|(digest, step)| Some((digest.clone(), step.output.rest()?)))
            .collect();
        let mut lines = Vec::new();
        for (digest, line) in held {
            self.tell_output(&digest, vec![line], &mut lines);
        }
        lines
    }

    /// The error that ends the build.
    pub(super) fn failure(mut self, message: String) -> BuildError {
        let Some(step) = self.failed.take().and_then(|digest| self.steps.remove(&digest)) else {
            return BuildError::Rejected(plain_message(&message));
        };
        let Some(title) = step_title(&step.name) else {
            let what = step.name.trim_start_matches("[internal] ");
            return BuildError::Rejected(format!("{what}: {}", plain_message(&step.error)));
        };
        let exit_code = exit_code(&step.error);
        let (message, last_lines) = (plain_message(&step.error), step.output.last_lines());
        BuildError::Step(Box::new(FailedStep { title, exit_code, message, last_lines }))
    }

    fn begin(&mut self, vertex: &Vertex, lines: &mut Vec<BuildLine>) {
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        if step.name.is_empty() {
            step.name.clone_from(&vertex.name);
        }
        if vertex.started.is_none() || step.told {
            return;
        }
        step.told = true;
        if let Some(title) = step_title(&step.name) {
            lines.push(BuildLine::Step { title, cached: vertex.cached });
            self.current = Some(vertex.digest.clone());
        } else if step.name == EXPORT {
            lines.push(BuildLine::Note("Exporting the image".to_owned()));
        }
    }

    fn end(&mut self, vertex: Vertex, lines: &mut Vec<BuildLine>) {
        let Some(step) = self.steps.get_mut(&vertex.digest) else { return };
        let rest: Vec<String> = step.output.rest().into_iter().collect();
        // The steps beside one that failed are cancelled, and say so.
        let failed = !vertex.error.is_empty() && !vertex.error.contains("context canceled");
        step.error = vertex.error;
        if failed && self.failed.is_none() {
            self.failed = Some(vertex.digest.clone());
        }
        self.tell_output(&vertex.digest, rest, lines);
    }

    fn tell_output(&mut self, digest: &str, output: Vec<String>, lines: &mut Vec<BuildLine>) {
        if output.is_empty() {
            return;
        }
        let step = self.steps.get(digest);
        let Some(title) = step.and_then(|step| step_title(&step.name)) else { return };
        if self.current.as_deref() != Some(digest) {
            // Its whole title was told when it began; stages that run side by side take turns often.
            let number = title.split_once(" : ").map_or(title.as_str(), |(number, _)| number);
            lines.push(BuildLine::Step { title: format!("{number} …"), cached: false });
            self.current = Some(digest.to_owned());
        }
        lines.extend(output.into_iter().map(BuildLine::Output));
    }

    /// A layer of a base image that has arrived.
    fn layer_line(&mut self, status: &VertexStatus) -> Option<BuildLine> {
        let layer = status.id.strip_prefix("sha256:")?;
        let big = status.total >= LAYER_WORTH_A_LINE;
        if status.completed.is_none() || !big || !self.layers.insert(layer.to_owned()) {
            return None;
        }
        let mebibytes = status.total / (1024 * 1024);
        Some(BuildLine::Note(format!("{}: pulled {mebibytes} MB", layer.get(..12).unwrap_or(layer))))
    }
}

/// `[2/5] RUN make` as `Step 2/5 : RUN make`; `None` for what BuildKit does on its own account.
fn step_title(name: &str) -> Option<String> {
    let (number, instruction) = name.strip_prefix('[')?.split_once("] ")?;
    if number == "internal" || number == "auth" {
        return None;
    }
    let instruction = instruction.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = instruction.chars().take(TITLE_LIMIT).collect();
    let cut = if shown.len() < instruction.len() { " …" } else { "" };
    Some(format!("Step {number} : {shown}{cut}"))
}

/// `…: exit code: 3`, in the words of every version so far.
fn exit_code(error: &str) -> Option<i64> {
    error.rsplit_once("exit code: ")?.1.trim().parse().ok()
}

/// The error without the layers of software that passed it on.
fn plain_message(error: &str) -> String {
    const WRAPPINGS: [&str; 5] = [
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve: ",
        "rpc error: code = Unknown desc = ",
        "failed to create LLB definition: ",
        "failed to read dockerfile: ",
    ];
    let mut plain = error;
    while let Some(rest) = WRAPPINGS.iter().find_map(|wrapping| plain.strip_prefix(wrapping)) {
        plain = rest;
    }
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_numbered_and_short() {
        assert_eq!(step_title("[2/5] RUN make").as_deref(), Some("Step 2/5 : RUN make"));
        let stage = step_title("[web 1/2] FROM docker.io/library/debian:12");
        assert_eq!(stage.as_deref(), Some("Step web 1/2 : FROM docker.io/library/debian:12"));
        assert_eq!(step_title("[internal] load build definition from Dockerfile"), None);
        assert_eq!(step_title("exporting to image"), None);
        let heredoc = step_title(&format!("[2/2] RUN <<EOF\n{}\nEOF", "é ".repeat(500))).unwrap();
        assert!(heredoc.chars().count() < 220 && heredoc.ends_with('…'));
    }

    #[test]
    fn exit_codes_are_found_in_both_wordings() {
        assert_eq!(exit_code("executor failed running [/bin/sh -c exit 3]: exit code: 3"), Some(3));
        assert_eq!(
            exit_code("process \"/bin/sh -c x\" did not complete successfully: exit code: 127"),
            Some(127)
        );
        assert_eq!(exit_code("\"/nofile\" not found"), None);
    }

    #[test]
    fn output_of_two_steps_is_told_apart() {
        let mut progress = KitProgress::default();
        let message = |digest: &str, text: &str| bollard::moby::buildkit::v1::VertexLog {
            vertex: digest.to_owned(),
            msg: text.as_bytes().to_vec(),
            ..Default::default()
        };
        let vertex = |digest: &str, name: &str| Vertex {
            digest: digest.to_owned(),
            name: name.to_owned(),
            started: Some(Default::default()),
            ..Default::default()
        };
        let lines = progress.absorb(StatusResponse {
            vertexes: vec![vertex("a", "[a 1/1] RUN a"), vertex("b", "[b 1/1] RUN b")],
            logs: vec![message("a", "one\ntwo"), message("b", "three\n"), message("a", " more\n")],
            ..Default::default()
        });
        let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let (a, b) = ("Step a 1/1 : RUN a", "Step b 1/1 : RUN b");
        let (a_again, b_again) = ("Step a 1/1 …", "Step b 1/1 …");
        assert_eq!(text, [a, b, a_again, "one", b_again, "three", a_again, "two more"]);
    }
}

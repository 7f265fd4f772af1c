//! A value in the file with its place: what it is read as, and what is said when it is something else.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;

use crate::formats::app_json::AppJsonError;

/// Characters of a wrong value that are shown.
const SHOWN: usize = 40;

/// A value and the key that leads to it.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    value: &'a Value<'a>,
    text: &'a str,
    key: String,
}

/// The members of an object that nobody has read yet.
#[derive(Debug)]
pub struct Fields<'a> {
    left: Vec<(String, Node<'a>)>,
}

/// The line, from 1, on which a byte of the text stands.
pub fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

impl<'a> Node<'a> {
    /// The whole file.
    pub fn root(value: &'a Value<'a>, text: &'a str) -> Self {
        Self { value, text, key: String::new() }
    }

    /// An error about this value.
    pub fn error(&self, reason: impl Display) -> AppJsonError {
        let line = line_of(self.text, self.value.range().start);
        AppJsonError { line, key: self.key.clone(), reason: reason.to_string() }
    }

    /// An error that shows the value and says what is allowed.
    pub fn wrong(&self, allowed: impl Display) -> AppJsonError {
        let range = self.value.range();
        let source = self.text.get(range.start..range.end).unwrap_or_default();
        let mut shown: String = source.split_whitespace().collect::<Vec<_>>().join(" ");
        if shown.chars().count() > SHOWN {
            shown = shown.chars().take(SHOWN).collect::<String>() + "…";
        }
        self.error(format!("{shown} is not {allowed}"))
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.value.as_object().is_some()
    }

    /// An object's members. A key that stands there twice is an error: nobody knows which one is meant.
    pub fn object(&self) -> Result<Fields<'a>, AppJsonError> {
        let object = self.value.as_object().ok_or_else(|| self.wrong("an object: {…}"))?;
        let mut seen = BTreeSet::new();
        let mut left = Vec::new();
        for property in &object.properties {
            let name = property.name.as_str();
            let node = self.below(name, &property.value);
            if !seen.insert(name) {
                return Err(node.error("this key stands there twice"));
            }
            // Like a key that is not there.
            if property.value.as_null_keyword().is_none() {
                left.push((name.to_owned(), node));
            }
        }
        Ok(Fields { left })
    }

    /// An array's elements.
    pub fn array(&self) -> Result<Vec<Self>, AppJsonError> {
        let array = self.value.as_array().ok_or_else(|| self.wrong("an array: […]"))?;
        Ok(array.elements.iter().enumerate().map(|(index, value)| self.element(index, value)).collect())
    }

    /// A string, even an empty one.
    pub fn string(&self) -> Result<String, AppJsonError> {
        let string = self.value.as_string_lit().ok_or_else(|| self.wrong("a text in double quotes"))?;
        if string.value.contains('\0') {
            return Err(self.error("a text must not contain a NUL"));
        }
        Ok(string.value.to_string())
    }

    /// A string with something in it.
    pub fn text(&self) -> Result<String, AppJsonError> {
        let text = self.string()?;
        if text.trim().is_empty() { Err(self.error("there is nothing in it")) } else { Ok(text) }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Result<bool, AppJsonError> {
        let literal = self.value.as_boolean_lit().ok_or_else(|| self.wrong("true or false"))?;
        Ok(literal.value)
    }

    /// A whole number within bounds.
    pub fn whole(&self, least: u32, most: u32) -> Result<u32, AppJsonError> {
        let number = self.value.as_number_lit().and_then(|number| number.value.parse::<u32>().ok());
        let within = number.filter(|number| (least..=most).contains(number));
        within.ok_or_else(|| self.wrong(format!("a whole number from {least} to {most}")))
    }

    /// A number of seconds, at most a day.
    pub fn seconds(&self, least: u32) -> Result<Duration, AppJsonError> {
        Ok(Duration::from_secs(u64::from(self.whole(least, 86_400)?)))
    }

    fn below(&self, name: &str, value: &'a Value<'a>) -> Self {
        let key = if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) };
        Self { value, text: self.text, key }
    }

    fn element(&self, index: usize, value: &'a Value<'a>) -> Self {
        Self { value, text: self.text, key: format!("{}[{index}]", self.key) }
    }
}

impl<'a> Fields<'a> {
    /// Reads a member if it is there.
    pub fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Node<'a>) -> Result<T, AppJsonError>,
    ) -> Result<Option<T>, AppJsonError> {
        let position = self.left.iter().position(|(found, _)| found == name);
        position.map(|position| read(&self.left.remove(position).1)).transpose()
    }

    /// Passes over members that have no meaning here.
    pub fn ignore(&mut self, names: &[&str]) {
        self.left.retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// Says of each member that nobody has read that it has no effect.
    pub fn warn_of_rest(self, warnings: &mut Vec<String>) {
        for (_, node) in self.left {
            warnings.push(format!("app.json: {} is not known here and has no effect", node.key));
        }
    }

    /// All members that nobody has read.
    pub fn into_entries(self) -> Vec<(String, Node<'a>)> {
        self.left
    }
}

//! One member of a JSON value, with the path that leads to it.

use serde_json::Value;

use super::NmosError;

/// A value and where it stands.
pub(super) struct Member<'a> {
    path: String,
    value: &'a Value,
}

/// How much of a wrong value an error shows.
const SHOWN_CHARS: usize = 60;

impl<'a> Member<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// The member `name` of this object; `wanted` says what to give where there is none.
    pub(super) fn member(&self, name: &str, wanted: &'static str) -> Result<Member<'a>, NmosError> {
        self.optional(name)?.ok_or_else(|| NmosError::Missing { path: self.path_of(name), wanted })
    }

    /// The member `name` of this object, if it has one.
    pub(super) fn optional(&self, name: &str) -> Result<Option<Member<'a>>, NmosError> {
        let members = self.value.as_object().ok_or_else(|| self.wrong("an object"))?;
        Ok(members.get(name).map(|value| Member { path: self.path_of(name), value }))
    }

    /// The one text of tag `name`.
    pub(super) fn tag(&self, name: &str, wanted: &'static str) -> Result<Member<'a>, NmosError> {
        let missing = || NmosError::Missing { path: format!("tags.{name}"), wanted };
        self.optional_tag(name)?.ok_or_else(missing)
    }

    /// The one text of tag `name`, if it is given.
    pub(super) fn optional_tag(&self, name: &str) -> Result<Option<Member<'a>>, NmosError> {
        let Some(tags) = self.optional("tags")? else { return Ok(None) };
        let Some(tag) = tags.optional(name)? else { return Ok(None) };
        let mut texts = tag.elements()?;
        match (texts.pop(), texts.len()) {
            (Some(text), 0) => Ok(Some(text)),
            _ => Err(tag.wrong("an array of one text")),
        }
    }

    pub(super) fn elements(&self) -> Result<Vec<Member<'a>>, NmosError> {
        let values = self.value.as_array().ok_or_else(|| self.wrong("an array"))?;
        let element = |(at, value)| Member { path: format!("{}[{at}]", self.path), value };
        Ok(values.iter().enumerate().map(element).collect())
    }

    pub(super) fn text(&self) -> Result<&'a str, NmosError> {
        self.value.as_str().ok_or_else(|| self.wrong("a text"))
    }

    pub(super) fn u32(&self) -> Result<u32, NmosError> {
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.wrong("a whole number from 0 to 4294967295"))
    }

    /// A number that is held as text, as tags are.
    pub(super) fn u32_text(&self) -> Result<u32, NmosError> {
        self.text()?.parse().map_err(|_| self.wrong("a whole number as text, as \"48\""))
    }

    pub(super) fn wrong(&self, wanted: &'static str) -> NmosError {
        let text = self.value.to_string();
        let mut found: String = text.chars().take(SHOWN_CHARS).collect();
        if found.len() < text.len() {
            found.push('…');
        }
        NmosError::Wrong { path: self.path().to_owned(), found, wanted }
    }

    pub(super) fn path(&self) -> &str {
        if self.path.is_empty() { "the resource" } else { &self.path }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

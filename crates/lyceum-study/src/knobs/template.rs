//! Text with `{{NAME}}` for each knob NAME.

/// Returns the names in doubled braces, in order, with doubles. A name is letters, digits, `_` and `-`.
pub(super) fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let _ = replace::<()>(text, |name| {
        names.push(name);
        Ok(None)
    });
    names
}

/// Returns the text with each name replaced by what `value` returns; `None` leaves it.
pub(super) fn replace<'a, E>(
    text: &'a str,
    mut value: impl FnMut(&'a str) -> Result<Option<String>, E>,
) -> Result<String, E> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let inner = &rest[open + 2..];
        let length = inner
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
            .unwrap_or(inner.len());
        if length == 0 || !inner[length..].starts_with("}}") {
            result.push_str(&rest[..=open]);
            rest = &rest[open + 1..];
            continue;
        }
        result.push_str(&rest[..open]);
        match value(&inner[..length])? {
            Some(value) => result.push_str(&value),
            None => result.push_str(&rest[open..open + length + 4]),
        }
        rest = &inner[length + 2..];
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_doubled_braces_are_replaced() {
        let text = "a={{lr}} {{{width}}} {{ no }} {{bad {{lr}}}";
        assert_eq!(names(text), ["lr", "width", "lr"]);
        let filled = replace::<()>(text, |name| Ok((name == "lr").then(|| "0.1".to_owned())));
        assert_eq!(
            filled,
            Ok("a=0.1 {{{width}}} {{ no }} {{bad 0.1}".to_owned())
        );
    }
}

//! Work whose panic ends nothing but itself.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Does something. Where it panics, that is an error in words, and whoever waits for it hears of it.
///
/// What work shares with others are locks, which are taken over as they are, and the ledger, which holds whole events only.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| words(payload.as_ref()))
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("its worker panicked: {}", text.unwrap_or("without words"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_words_and_what_did_not_panic_is_as_it_was() {
        assert_eq!(guarded(|| 1), Ok(1));
        let said = |work: fn()| guarded(work).unwrap_err();
        assert_eq!(said(|| panic!("one")), "its worker panicked: one");
        let formatted = said(|| panic!("{}", 1 + 1));
        assert_eq!(formatted, "its worker panicked: 2");
        let other = said(|| std::panic::panic_any(1));
        assert_eq!(other, "its worker panicked: without words");
    }
}

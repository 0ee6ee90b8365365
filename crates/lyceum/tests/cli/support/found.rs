//! What a study came to.

use serde_json::{Value, json};

use super::Place;

/// What a study found, without the numbers of its runs: those differ where a run was cut and done again.
pub(crate) fn found(place: &Place, name: &str) -> Value {
    let verdicts: Vec<Value> = place
        .experiments(name)
        .iter()
        .map(|one| {
            json!([
                one["experiment"],
                one["role"],
                one["settings"],
                one["value"],
                one["verdict"],
                one["gain"]
            ])
        })
        .collect();
    let claims: Vec<Value> = place
        .bodies(name, "claim.tested")
        .into_iter()
        .map(|mut claim| {
            for pair in claim["pairs"].as_array_mut().unwrap() {
                let pair = pair.as_object_mut().unwrap();
                pair.retain(|key, _| !key.ends_with("_run"));
            }
            claim
        })
        .collect();
    let grades: Vec<Value> = place
        .bodies(name, "rubric.graded")
        .iter()
        .map(|grade| json!([grade["satisfied"], grade["value"], grade["why"]]))
        .collect();
    json!({ "verdicts": verdicts, "claims": claims, "grades": grades })
}

//! The nearest known name, for errors that help.

/// The candidate that a misspelt `name` most likely meant, if one is near enough to be worth showing.
///
/// Case differences count little, so that `Topic` finds `topic`.
///
/// ```
/// assert_eq!(riverrun_base::nearest("topics", ["path", "topic"]), Some("topic"));
/// assert_eq!(riverrun_base::nearest("colour", ["path", "topic"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(wanted.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

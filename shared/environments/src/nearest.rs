//! The word that was probably meant.

/// The word of `known` that is nearest to `given`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let most = (given.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|word| {
            (
                strsim::damerau_levenshtein(&given.to_lowercase(), &word.to_lowercase()),
                word,
            )
        })
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, word)| word)
}

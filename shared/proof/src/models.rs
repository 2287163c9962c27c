//! Placeholder.
/// R
pub struct Report {
    /// n
    pub name: &'static str,
    /// b
    pub bounds: &'static str,
    /// s
    pub states: usize,
    /// d
    pub depth: usize,
    /// p
    pub properties: Vec<&'static str>,
    /// m
    pub mutants: Vec<(&'static str, bool)>,
}
impl Report {
    /// h
    pub fn holds(&self) -> bool {
        self.mutants.iter().all(|m| m.1)
    }
}
/// c
pub fn check_all(_quick: bool) -> Vec<Report> {
    vec![]
}

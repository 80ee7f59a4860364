//! Tables: aligned for a terminal, or in Markdown.

/// Rows of cells below a header.
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// So many columns are words, aligned to the left; the rest are numbers.
    words: usize,
}

impl Table {
    /// An empty one, whose first `words` columns hold words.
    pub(crate) fn new(words: usize, header: &[&str]) -> Table {
        Table {
            header: header.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
            words,
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// For a terminal, two spaces between columns.
    pub(crate) fn aligned(&self) -> String {
        let widths = self.widths();
        let line = |cells: &Vec<String>| {
            let padded = cells
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    let padding = " ".repeat(width - cell.chars().count());
                    if column < self.words {
                        format!("{cell}{padding}")
                    } else {
                        format!("{padding}{cell}")
                    }
                });
            let line: Vec<_> = padded.collect();
            format!("{}\n", line.join("  ").trim_end())
        };
        std::iter::once(&self.header)
            .chain(&self.rows)
            .map(line)
            .collect()
    }

    /// For a document.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule =
            (0..self.header.len()).map(|column| if column < self.words { "---|" } else { "--:|" });
        let rule = format!("|{}\n", rule.collect::<String>());
        let rows = self.rows.iter().map(line);
        [line(&self.header), rule].into_iter().chain(rows).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| {
            all()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        (0..self.header.len())
            .map(|column| width(column).unwrap_or(0))
            .collect()
    }
}

#[cfg(test)]
mod tests;

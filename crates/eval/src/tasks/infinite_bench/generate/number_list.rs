//! A list of numbers from 0 to 99, of which one is asked for: `math_find`.

use super::GeneratedContext;
use minference_attention::synthetic::Random;

/// Numbers of the shortest list: enough for three different ones.
const LEAST: usize = 8;

/// What can be asked for. Numbers that are the same count once, except in the median.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Places from the largest.
    Largest(usize),
    /// Places from the smallest.
    Smallest(usize),
    Median,
}

const ASKED: [(Asked, &str); 7] = [
    (Asked::Largest(0), "largest number"),
    (Asked::Largest(1), "second largest number"),
    (Asked::Largest(2), "third largest number"),
    (Asked::Smallest(0), "smallest number"),
    (Asked::Smallest(1), "second smallest number"),
    (Asked::Smallest(2), "third smallest number"),
    (Asked::Median, "median number"),
];

/// The numbers, and what is asked.
pub(super) struct NumberList {
    random: Random,
    asked: Asked,
    name: &'static str,
    /// The smallest and the largest that may occur: for the largest numbers the upper end is drawn
    /// (80 to 99), for the smallest the lower (0 to 19), so that 99 and 0 are no safe guesses; for
    /// the median one of them.
    range: [usize; 2],
    /// As many as were needed so far.
    numbers: Vec<usize>,
}

impl NumberList {
    /// Seven samples in a row ask for seven different things.
    pub(super) fn new(mut random: Random, number: usize) -> Self {
        let (asked, name) = ASKED[number % ASKED.len()];
        let is_upper = match asked {
            Asked::Largest(_) => true,
            Asked::Smallest(_) => false,
            Asked::Median => random.below(2) == 0,
        };
        let end = random.below(20);
        let range = if is_upper { [0, 80 + end] } else { [end, 99] };
        Self { random, asked, name, range, numbers: Vec::new() }
    }

    fn first(&mut self, count: usize) -> &[usize] {
        let [smallest, largest] = self.range;
        while self.numbers.len() < count {
            self.numbers.push(smallest + self.random.below(largest - smallest + 1));
        }
        &self.numbers[..count]
    }
}

impl GeneratedContext for NumberList {
    fn input(&self) -> String {
        format!("You should answer with only one number, no other words. The {} of the list is: ", self.name)
    }

    fn context(&mut self, more: usize) -> String {
        format!("{:?}", self.first(LEAST + more))
    }

    fn references(&mut self, more: usize) -> Vec<String> {
        let asked = self.asked;
        vec![answer(asked, self.first(LEAST + more).to_vec())]
    }

    fn depth(&self) -> Option<f64> {
        None
    }
}

/// As the benchmark writes it: the median of an even number of numbers has a decimal.
fn answer(asked: Asked, mut numbers: Vec<usize>) -> String {
    numbers.sort_unstable();
    let mut different = numbers.clone();
    different.dedup();
    // a list of fewer different numbers has no third largest; the last one stands for it
    let place = |from_end: usize| from_end.min(different.len() - 1);
    match asked {
        Asked::Largest(from_end) => different[different.len() - 1 - place(from_end)].to_string(),
        Asked::Smallest(from_end) => different[place(from_end)].to_string(),
        Asked::Median => {
            let middle = numbers.len() / 2;
            match numbers.len() % 2 {
                1 => numbers[middle].to_string(),
                _ => format!("{:?}", (numbers[middle - 1] + numbers[middle]) as f64 / 2.0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_those_of_the_list() {
        let numbers = vec![7, 3, 90, 90, 12, 3, 88];
        for (asked, expected) in
            ASKED.iter().map(|(asked, _)| *asked).zip(["90", "88", "12", "3", "7", "12", "12"])
        {
            assert_eq!(answer(asked, numbers.clone()), expected, "{asked:?}");
        }
        assert_eq!(answer(Asked::Median, vec![1, 4, 2, 9]), "3.0");
        assert_eq!(answer(Asked::Median, vec![1, 4, 3, 9]), "3.5");
        assert_eq!(answer(Asked::Largest(2), vec![5, 5]), "5");
    }
}

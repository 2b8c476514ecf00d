//! [`Tensors`]: the named tensors of a model's files, handed out as matrices and vectors of the
//! shapes that a model needs.

use crate::device::matrix::{Matrix, WeightBytes};
use crate::device::weight_format::WeightFormat;
use crate::error::{Error, Result};
use half::{bf16, f16};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file stores a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StoredFormat {
    Known(WeightFormat),
    /// Not supported; the file's name for it. An error only where the tensor is needed.
    Other(String),
}

/// A tensor in its file.
#[derive(Debug, Clone)]
pub(crate) struct StoredTensor {
    pub(crate) file: Arc<Path>,
    /// Rows first.
    pub(crate) shape: Vec<usize>,
    pub(crate) format: StoredFormat,
    pub(crate) bytes: WeightBytes,
}

/// All tensors of a model's files, in the order of their names.
#[derive(Debug)]
pub(crate) struct Tensors {
    origin: PathBuf,
    by_name: BTreeMap<String, StoredTensor>,
}

impl Tensors {
    /// None yet; `origin` is the file or folder that errors about missing tensors show.
    pub(crate) fn new(origin: &Path) -> Self {
        Self { origin: origin.into(), by_name: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, name: String, tensor: StoredTensor) -> Result<()> {
        if let Some(other) = self.by_name.get(&name) {
            let found = format!("it in {} too", other.file.display());
            return Err(Error::file(&tensor.file, format!("tensor {name}"), "each tensor once", found));
        }
        self.by_name.insert(name, tensor);
        Ok(())
    }

    /// Adds all tensors of another file.
    pub(crate) fn append(&mut self, other: Self) -> Result<()> {
        other.by_name.into_iter().try_for_each(|(name, tensor)| self.insert(name, tensor))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&StoredTensor> {
        self.by_name.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &StoredTensor)> {
        self.by_name.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    pub(crate) fn byte_len(&self) -> u64 {
        self.by_name.values().map(|tensor| tensor.bytes.as_slice().len() as u64).sum()
    }

    /// The tensor, if it has this shape and a format that is supported.
    fn checked(&self, name: &str, shape: &[usize]) -> Result<(&StoredTensor, WeightFormat)> {
        let place = || format!("tensor {name}");
        let Some(tensor) = self.get(name) else {
            return Err(Error::file(&self.origin, place(), format!("shape {shape:?}"), "no such tensor"));
        };
        if tensor.shape != shape {
            let (expected, found) = (format!("shape {shape:?}"), format!("{:?}", tensor.shape));
            return Err(Error::file(&tensor.file, place(), expected, found));
        }
        match &tensor.format {
            StoredFormat::Known(format) => Ok((tensor, *format)),
            StoredFormat::Other(found) => {
                Err(Error::file(&tensor.file, place(), "one of the formats F32, F16, BF16", found))
            }
        }
    }

    /// A matrix `[rows, columns]`, sharing the file's bytes.
    pub(crate) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix> {
        let (tensor, format) = self.checked(name, &[rows, columns])?;
        Matrix::new(rows, columns, format, tensor.bytes.clone()).map_err(|error| error.in_file(&tensor.file))
    }

    /// A vector, as `f32`; it must be finite, and not quantised.
    pub(crate) fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let (tensor, format) = self.checked(name, &[length])?;
        let bytes = tensor.bytes.as_slice();
        let place = || format!("tensor {name}");
        let values: Vec<f32> = match format {
            WeightFormat::F32 => bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect(),
            WeightFormat::F16 => {
                bytes.as_chunks().0.iter().map(|x| f16::from_le_bytes(*x).to_f32()).collect()
            }
            WeightFormat::Bf16 => {
                bytes.as_chunks().0.iter().map(|x| bf16::from_le_bytes(*x).to_f32()).collect()
            }
            quantised => {
                let expected = "a vector in F32, F16 or BF16";
                return Err(Error::file(&tensor.file, place(), expected, quantised));
            }
        };
        match values.iter().find(|x| !x.is_finite()) {
            Some(value) => Err(Error::file(&tensor.file, place(), "finite numbers", value)),
            None => Ok(values),
        }
    }
}

/// Bytes of a tensor; none where rows are not whole blocks, or sizes overflow.
pub(super) fn byte_len(shape: &[usize], format: WeightFormat) -> Option<usize> {
    let (columns, rest) = shape.split_last()?;
    let rows = rest.iter().try_fold(1usize, |rows, size| rows.checked_mul(*size))?;
    format.row_bytes(*columns)?.checked_mul(rows)
}

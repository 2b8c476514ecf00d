//! Runs the matrix kernels of every format and instruction set on small shapes, around the sizes of
//! their blocks: for memory checkers (`.ci/valgrind`), which see what tests can't.

use minference_attention::{Arithmetic, InstructionSet, synthetic};
use minference_model::device::matrix::WeightBytes;
use minference_model::device::weight_format::WeightFormat;
use minference_model::{Compute, ComputeOptions, MatmulArithmetic, Matrix, Result};

fn main() -> Result<()> {
    let each = |set| [(set, MatmulArithmetic::F32), (set, MatmulArithmetic::Int8)];
    for (set, matmul) in InstructionSet::available().into_iter().flat_map(each) {
        let options = ComputeOptions {
            threads: Some(2),
            instruction_set: Some(set),
            arithmetic: Arithmetic::Auto,
            matmul,
        };
        let compute = Compute::new(options)?;
        let mut sum = 0.0f64;
        for format in WeightFormat::ALL {
            let columns = match format.block_len() {
                1 => vec![8, 40, 77, 1031],
                length => vec![length, 5 * length],
            };
            for columns in columns {
                for outputs in [1, 7, 48, 97] {
                    // a byte that makes a small positive scale, whatever the format
                    let bytes = vec![0x2c; format.row_bytes(columns).unwrap_or(0) * outputs];
                    let matrix = Matrix::new(outputs, columns, format, WeightBytes::owned(bytes))?;
                    for rows in [1, 3, 8, 9, 16, 33] {
                        let inputs = synthetic::normal(rows * columns, 1);
                        sum += matrix.multiply(&compute, &inputs)?.iter().map(|x| f64::from(*x)).sum::<f64>();
                    }
                }
            }
        }
        println!("{set}, {matmul:?}: {sum:e}");
    }
    Ok(())
}

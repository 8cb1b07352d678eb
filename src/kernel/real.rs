//! The two float types of twins.

use super::any::AnyKernel;
use super::args::Args;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// `f32`, the CPU training path, or `f64`, the oracle in tests.
pub trait Real:
    num_traits::Float + std::ops::AddAssign + bytemuck::Pod + Send + Sync + std::iter::Sum + std::fmt::Debug
{
    /// Rounds to this type.
    fn of(value: f64) -> Self;

    /// Widens to f64.
    fn wide(self) -> f64;

    /// `out[m, n] = a[m, k] b[k, n]`; if transposed, `a` is stored `[k, m]`, `b` `[n, k]`.
    fn matmul(dimensions: [usize; 3], transpose: [bool; 2], a: &[Self], b: &[Self], out: &mut [Self]);

    /// Runs the twin of `kernel` in this type.
    fn run_twin(kernel: &dyn AnyKernel, params: &[u8], args: &mut Args<'_, Self>);
}

#[cfg(not(target_arch = "wasm32"))]
fn all_cores() -> Par {
    Par::rayon(0)
}

#[cfg(target_arch = "wasm32")]
fn all_cores() -> Par {
    Par::Seq
}

macro_rules! real {
    ($type:ty, $twin:ident) => {
        impl Real for $type {
            fn of(value: f64) -> Self {
                value as Self
            }

            fn wide(self) -> f64 {
                self.into()
            }

            fn matmul([m, k, n]: [usize; 3], transpose: [bool; 2], a: &[Self], b: &[Self], out: &mut [Self]) {
                let view = |data, transposed, rows, columns| {
                    if transposed {
                        MatRef::from_row_major_slice(data, columns, rows).transpose()
                    } else {
                        MatRef::from_row_major_slice(data, rows, columns)
                    }
                };
                let (a, b) = (view(a, transpose[0], m, k), view(b, transpose[1], k, n));
                // Below about 50 us of work, threading costs more than it saves.
                let parallel = m * k * n > 4_000_000;
                let threads = if parallel { all_cores() } else { Par::Seq };
                matmul(MatMut::from_row_major_slice_mut(out, m, n), Accum::Replace, a, b, 1.0, threads);
            }

            fn run_twin(kernel: &dyn AnyKernel, params: &[u8], args: &mut Args<'_, Self>) {
                kernel.$twin(params, args);
            }
        }
    };
}

real!(f32, twin_f32);
real!(f64, twin_f64);

// What the kernels need of CUDA's own headers, so that a plain clang makes PTX of them and no toolkit is needed.
#pragma once

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define INLINE __device__ static inline __attribute__((always_inline))

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define THREAD_X __nvvm_read_ptx_sreg_tid_x()
#define THREAD_Y __nvvm_read_ptx_sreg_tid_y()
#define BLOCK_X __nvvm_read_ptx_sreg_ctaid_x()
#define BLOCK_Y __nvvm_read_ptx_sreg_ctaid_y()
#define BLOCK_Z __nvvm_read_ptx_sreg_ctaid_z()
#define BLOCKS_X __nvvm_read_ptx_sreg_nctaid_x()
#define BARRIER() __syncthreads()

// Adds to memory that others add to as well. Whole numbers: the sum is the same in whatever order they come.
INLINE void add64(u64 *to, u64 value) { __nvvm_atom_add_gen_ll((i64 *)to, (i64)value); }
INLINE void add32(u32 *to, u32 value) { __nvvm_atom_add_gen_i((int *)to, (int)value); }

// The dot product of four bytes with four bytes.
INLINE u32 dot4(u32 a, u32 b, u32 sum) {
  u32 out;
  __asm__("dp4a.u32.u32 %0, %1, %2, %3;" : "=r"(out) : "r"(a), "r"(b), "r"(sum));
  return out;
}

// The sum of a value over the 32 threads of a warp, in its first thread.
INLINE u64 warp_sum(u64 value) {
  for (u32 step = 16; step > 0; step >>= 1) {
    u32 low = (u32)__nvvm_shfl_sync_down_i32(0xffffffffu, (int)(u32)value, step, 31);
    u32 high = (u32)__nvvm_shfl_sync_down_i32(0xffffffffu, (int)(u32)(value >> 32), step, 31);
    value += ((u64)high << 32) | low;
  }
  return value;
}

// Adds the sum of a value over a block of 32 x 8 threads to `to`. All threads of the block must come here.
INLINE void block_add(u64 *to, u64 value, u64 *room) {
  value = warp_sum(value);
  BARRIER();
  if (THREAD_X == 0) room[THREAD_Y] = value;
  BARRIER();
  if (THREAD_X == 0 && THREAD_Y == 0) {
    u64 sum = 0;
    for (u32 warp = 0; warp < 8; warp++) sum += room[warp];
    add64(to, sum);
  }
}

// Kernels over batches of 8-bit luma pictures; src/cpu is the same in Rust, to the bit.
//
// Pictures lie one after the other without padding. `first` is the number of the first picture of this launch in
// its batch, and the grid's z goes over pictures. Blocks are 32 x 8 threads. Sums are whole numbers, and floats are
// only combined by operations that IEEE 754 rounds in one way (no fused multiply-add: -ffp-contract=off).
//
// Compile: see src/ptx.rs; a test compares frames.ptx with what clang makes of this file.
#include "cuda.h"

// --- Likeness: SSIM over windows of 8 x 8 pixels, 4 apart, and the squared error. ---

#define C1 416
#define C2 235963
#define FLAT (16 * 64 * 64)

typedef struct {
  u32 s1, s2, q1, q2, p;
} Sums;

// Four pixels of a row from `x`, as bytes of a word; what lies outside of the picture is 0.
INLINE u32 four(const u8 *row, u32 x, u32 width) {
  if (x + 4 <= width && (((u64)(row + x)) & 3) == 0) return *(const u32 *)(row + x);
  u32 word = 0;
  for (u32 i = 0; i < 4; i++)
    if (x + i < width) word |= (u32)row[x + i] << (8 * i);
  return word;
}

INLINE Sums sums_of(const u8 *a, const u8 *b, u32 x, u32 y, u32 width, u32 height) {
  Sums s = {0, 0, 0, 0, 0};
  for (u32 i = 0; i < 4; i++) {
    if (y + i >= height) break;
    u32 p = four(a + (u64)(y + i) * width, x, width);
    u32 q = four(b + (u64)(y + i) * width, x, width);
    s.s1 = dot4(p, 0x01010101u, s.s1);
    s.s2 = dot4(q, 0x01010101u, s.s2);
    s.q1 = dot4(p, p, s.q1);
    s.q2 = dot4(q, q, s.q2);
    s.p = dot4(p, q, s.p);
  }
  return s;
}

// sums: for each picture SSIM of all windows and of textured ones (2^24 is 1), textured windows, squared error.
extern "C" __global__ void likeness(const u8 *a, const u8 *b, u64 *sums, u32 width, u32 height, u32 first) {
  __shared__ Sums blocks[8][33];
  __shared__ u64 room[8];
  u32 picture = first + BLOCK_Z;
  u64 offset = (u64)picture * width * height;
  u32 column = BLOCK_X * 31 + THREAD_X, row = BLOCK_Y * 7 + THREAD_Y;
  Sums own = {0, 0, 0, 0, 0};
  if (column * 4 < width && row * 4 < height)
    own = sums_of(a + offset, b + offset, column * 4, row * 4, width, height);
  blocks[THREAD_Y][THREAD_X] = own;
  BARRIER();
  u64 all = 0, textured = 0, count = 0, error = 0;
  if (THREAD_X < 31 && THREAD_Y < 7) {
    error = (u64)own.q1 + own.q2 - 2 * (u64)own.p;
    if (column + 1 < width / 4 && row + 1 < height / 4) {
      Sums e = blocks[THREAD_Y][THREAD_X + 1], s = blocks[THREAD_Y + 1][THREAD_X];
      Sums c = blocks[THREAD_Y + 1][THREAD_X + 1];
      int s1 = (int)(own.s1 + e.s1 + s.s1 + c.s1), s2 = (int)(own.s2 + e.s2 + s.s2 + c.s2);
      int q1 = (int)(own.q1 + e.q1 + s.q1 + c.q1), q2 = (int)(own.q2 + e.q2 + s.q2 + c.q2);
      int p = (int)(own.p + e.p + s.p + c.p);
      int v1 = q1 * 64 - s1 * s1, v2 = q2 * 64 - s2 * s2, covariance = p * 64 - s1 * s2;
      float above = (float)(2 * s1 * s2 + C1) * (float)(2 * covariance + C2);
      float below = (float)(s1 * s1 + s2 * s2 + C1) * (float)(v1 + v2 + C2);
      i64 value = (i64)(int)(above / below * 16777216.0f);
      all = (u64)value;
      if (v2 >= FLAT) {
        textured = (u64)value;
        count = 1;
      }
    }
  }
  u64 *to = sums + (u64)picture * 4;
  block_add(to, all, room);
  block_add(to + 1, textured, room);
  block_add(to + 2, count, room);
  block_add(to + 3, error, room);
}

// --- Difference of each picture and the next one. ---

INLINE u32 distance(int a, int b) { return a > b ? (u32)(a - b) : (u32)(b - a); }

// sums: for each pair the sum of absolute, plain and squared differences. Threads go over words of four pixels.
extern "C" __global__ void difference(const u8 *frames, u64 *sums, u32 pixels, u32 first) {
  __shared__ u64 room[8];
  u32 pair = first + BLOCK_Z;
  const u8 *a = frames + (u64)pair * pixels, *b = a + pixels;
  u64 absolute = 0, plain = 0, squared = 0;
  u32 stride = BLOCKS_X * 256;
  for (u32 word = BLOCK_X * 256 + THREAD_Y * 32 + THREAD_X; word * 4 < pixels; word += stride) {
    u32 p = four(a, word * 4, pixels), q = four(b, word * 4, pixels);
    for (u32 i = 0; i < 32; i += 8) {
      int d = (int)((q >> i) & 255) - (int)((p >> i) & 255);
      absolute += distance(d, 0);
      plain += (u64)(i64)d;
      squared += (u32)(d * d);
    }
  }
  u64 *to = sums + (u64)pair * 3;
  block_add(to, absolute, room);
  block_add(to + 1, plain, room);
  block_add(to + 2, squared, room);
}

// --- Motion: for each block of 8 x 8 pixels the place in the picture before that looks most like it. ---

#define REACH 7
#define SIDE (2 * REACH + 1)
#define STILL 64

// A warp searches for one block. Places are tried in rows; of equal ones the nearest counts, then the first.
// sums: for each pair the cost in place, the cost where it fits best, moved blocks, and lengths (16 is a pixel).
extern "C" __global__ void motion(const u8 *frames, u64 *sums, u32 width, u32 height, u32 first) {
  __shared__ u64 room[8];
  __shared__ u8 around[8][22 * 24];
  __shared__ u8 wanted[8][64];
  u32 pair = first + BLOCK_Z, warp = THREAD_Y, lane = THREAD_X;
  const u8 *before = frames + (u64)pair * width * height, *now = before + (u64)width * height;
  u32 columns = width / 8, rows = height / 8, block = BLOCK_X * 8 + warp;
  int there = block < columns * rows;
  int x = (int)(block % columns) * 8, y = (int)(block / columns) * 8;
  if (there) {
    for (u32 i = lane; i < 64; i += 32) wanted[warp][i] = now[(u64)(y + (int)(i / 8)) * width + x + (int)(i % 8)];
    for (u32 i = lane; i < 22 * 22; i += 32) {
      int from_x = x - REACH + (int)(i % 22), from_y = y - REACH + (int)(i / 22);
      int inside = from_x >= 0 && from_y >= 0 && from_x < (int)width && from_y < (int)height;
      around[warp][i / 22 * 24 + i % 22] = inside ? before[(u64)from_y * width + from_x] : 0;
    }
  }
  BARRIER();
  u32 best = 0xffffffffu, in_place = 0;
  if (there) {
    for (u32 i = 0; i < 64; i++)
      in_place += distance(wanted[warp][i], around[warp][(REACH + i / 8) * 24 + REACH + i % 8]);
    if (in_place <= STILL) {
      best = in_place << 15;
    } else {
      for (u32 place = lane; place < SIDE * SIDE; place += 32) {
        int dx = (int)(place % SIDE) - REACH, dy = (int)(place / SIDE) - REACH;
        if (x + dx < 0 || y + dy < 0 || x + dx + 8 > (int)width || y + dy + 8 > (int)height) continue;
        u32 cost = 0;
        for (u32 i = 0; i < 64; i++)
          cost += distance(wanted[warp][i], around[warp][((u32)(REACH + dy) + i / 8) * 24 + (u32)(REACH + dx) + i % 8]);
        u32 rank = cost << 15 | (u32)(dx * dx + dy * dy) << 8 | place;
        best = rank < best ? rank : best;
      }
      for (u32 step = 16; step > 0; step >>= 1) {
        u32 other = (u32)__nvvm_shfl_sync_down_i32(0xffffffffu, (int)best, step, 31);
        best = other < best ? other : best;
      }
    }
  }
  u64 cost_in_place = 0, cost = 0, moved = 0, length = 0;
  if (there && lane == 0) {
    u32 far = best >> 8 & 127;
    cost_in_place = in_place;
    cost = best >> 15;
    moved = far > 0;
    length = (u32)(__nvvm_sqrt_rn_f((float)far) * 16.0f);
  }
  u64 *to = sums + (u64)pair * 4;
  block_add(to, cost_in_place, room);
  block_add(to + 1, cost, room);
  block_add(to + 2, moved, room);
  block_add(to + 3, length, room);
}

// --- Histogram. ---

extern "C" __global__ void histogram(const u8 *frames, u32 *bins, u32 pixels, u32 first) {
  __shared__ u32 own[8][256];
  u32 picture = first + BLOCK_Z, thread = THREAD_Y * 32 + THREAD_X;
  const u8 *from = frames + (u64)picture * pixels;
  for (u32 warp = 0; warp < 8; warp++) own[warp][thread] = 0;
  BARRIER();
  u32 stride = BLOCKS_X * 256;
  for (u32 word = BLOCK_X * 256 + thread; word * 4 < pixels; word += stride) {
    u32 value = four(from, word * 4, pixels);
    for (u32 i = 0; i < 4 && word * 4 + i < pixels; i++) add32(&own[THREAD_Y][(value >> (8 * i)) & 255], 1);
  }
  BARRIER();
  u32 sum = 0;
  for (u32 warp = 0; warp < 8; warp++) sum += own[warp][thread];
  if (sum > 0) add32(&bins[picture * 256 + thread], sum);
}

// --- Detail: Sobel's gradient of all pixels but the rim. ---

// sums: for each picture its length (16 is one step of luma), its square, and pixels where it is steep.
extern "C" __global__ void detail(const u8 *frames, u64 *sums, u32 width, u32 height, u32 steep, u32 first) {
  __shared__ u64 room[8];
  u32 picture = first + BLOCK_Z;
  const u8 *from = frames + (u64)picture * width * height;
  u32 x = BLOCK_X * 32 + THREAD_X + 1, y = BLOCK_Y * 8 + THREAD_Y + 1;
  u64 length = 0, square = 0, edges = 0;
  if (x + 1 < width && y + 1 < height) {
    const u8 *above = from + (u64)(y - 1) * width + x, *here = above + width, *below = here + width;
    int right = above[1] + 2 * here[1] + below[1], left = above[-1] + 2 * here[-1] + below[-1];
    int down = below[-1] + 2 * below[0] + below[1], up = above[-1] + 2 * above[0] + above[1];
    int gx = right - left, gy = down - up;
    u32 sum = (u32)(gx * gx + gy * gy);
    length = (u32)(__nvvm_sqrt_rn_f((float)sum) * 16.0f);
    square = sum;
    edges = sum >= steep;
  }
  u64 *to = sums + (u64)picture * 3;
  block_add(to, length, room);
  block_add(to + 1, square, room);
  block_add(to + 2, edges, room);
}

// --- Scaling. ---

// The mean of all pixels that a pixel of the new picture touches.
extern "C" __global__ void scale_box(const u8 *frames, u8 *out, u32 width, u32 height, u32 to_width, u32 to_height,
                                     u32 first) {
  u32 picture = first + BLOCK_Z, x = BLOCK_X * 32 + THREAD_X, y = BLOCK_Y * 8 + THREAD_Y;
  if (x >= to_width || y >= to_height) return;
  const u8 *from = frames + (u64)picture * width * height;
  u32 left = x * width / to_width, right = ((x + 1) * width + to_width - 1) / to_width;
  u32 top = y * height / to_height, bottom = ((y + 1) * height + to_height - 1) / to_height;
  u32 sum = 0, count = (right - left) * (bottom - top);
  for (u32 v = top; v < bottom; v++)
    for (u32 u = left; u < right; u++) sum += from[(u64)v * width + u];
  out[((u64)picture * to_height + y) * to_width + x] = (u8)((sum + count / 2) / count);
}

// Where a pixel lies in the picture it is taken from, in steps of 1/256 pixel.
INLINE u32 place_of(u32 at, u32 from, u32 to) {
  i64 place = ((2 * (i64)at + 1) * from * 128) / to - 128;
  i64 last = ((i64)from - 1) * 256;
  return (u32)(place < 0 ? 0 : place > last ? last : place);
}

extern "C" __global__ void scale_bilinear(const u8 *frames, u8 *out, u32 width, u32 height, u32 to_width,
                                          u32 to_height, u32 first) {
  u32 picture = first + BLOCK_Z, x = BLOCK_X * 32 + THREAD_X, y = BLOCK_Y * 8 + THREAD_Y;
  if (x >= to_width || y >= to_height) return;
  const u8 *from = frames + (u64)picture * width * height;
  u32 u = place_of(x, width, to_width), v = place_of(y, height, to_height);
  u32 left = u >> 8, top = v >> 8, fx = u & 255, fy = v & 255;
  u32 right = left + 1 < width ? left + 1 : left, bottom = top + 1 < height ? top + 1 : top;
  const u8 *upper = from + (u64)top * width, *lower = from + (u64)bottom * width;
  u32 a = upper[left] * (256 - fx) + upper[right] * fx, b = lower[left] * (256 - fx) + lower[right] * fx;
  out[((u64)picture * to_height + y) * to_width + x] = (u8)((a * (256 - fy) + b * fy + 32768) >> 16);
}

// --- Blending one layer over pictures, with an opacity for each of its pixels (255 hides what is below). ---

extern "C" __global__ void blend(const u8 *frames, const u8 *layer, const u8 *opacity, u8 *out, u32 pixels, u32 first) {
  u32 picture = first + BLOCK_Z, thread = BLOCK_X * 256 + THREAD_Y * 32 + THREAD_X;
  u64 offset = (u64)picture * pixels;
  for (u32 at = thread; at < pixels; at += BLOCKS_X * 256) {
    u32 alpha = opacity[at];
    out[offset + at] = (u8)((frames[offset + at] * (255 - alpha) + layer[at] * alpha + 127) / 255);
  }
}

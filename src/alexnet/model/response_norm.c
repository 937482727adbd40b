/* Response normalisation on pixels laid out as rows of channels (channels-last), forward and backward.

   Across channels:  d = k + c * sum of a^2 over the window of channels,   out = a * d^-beta
   Within a map:     d = 1 + c * sum of a^2 over the window of pixels,      out = a * d^-beta
   Backward of both: grad_a = g * d^-beta - 2 c beta a * (sum over the mirrored window of g * a * d^(-beta-1))

   Numbers are float32 inside, float32 or bfloat16 outside. The caller divides the rows among its threads. */

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int64_t number;
typedef uint16_t half;

static inline float read_f32(const float *p) { return *p; }
static inline void write_f32(float *p, float v) { *p = v; }
static inline float read_b16(const half *p) {
    uint32_t bits = (uint32_t)*p << 16;
    float v;
    memcpy(&v, &bits, 4);
    return v;
}
static inline void write_b16(half *p, float v) { /* to the nearest, ties to even */
    uint32_t bits;
    memcpy(&bits, &v, 4);
    *p = v != v ? 0x7fc0 : (half)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* d^-beta; the paper's 0.75 by square roots, which are vector instructions. */
static inline void power(float *restrict p, const float *restrict d, number n, float beta) {
    if (beta == 0.75f)
        for (number i = 0; i < n; i++) { float root = sqrtf(d[i]); p[i] = 1.0f / (root * sqrtf(root)); }
    else
        for (number i = 0; i < n; i++) p[i] = powf(d[i], -beta);
}

/* t[i] = sum of s[i .. i + size - 1] */
static inline void window(float *restrict t, const float *restrict s, number n, number size) {
    if (size == 5) {
        for (number i = 0; i < n; i++) t[i] = s[i] + s[i + 1] + s[i + 2] + s[i + 3] + s[i + 4];
        return;
    }
    for (number i = 0; i < n; i++) t[i] = 0;
    for (number j = 0; j < size; j++)
        for (number i = 0; i < n; i++) t[i] += s[i + j];
}

/* t[y][x] = sum of s over the size x size pixels around it that exist; each pixel has n channels. `h` is scratch. */
static inline void box(float *restrict t, float *restrict h, const float *restrict s, number high, number wide, number n,
                       number size) {
    number reach = size / 2;
    for (number y = 0; y < high; y++)
        for (number x = 0; x < wide; x++) {
            float *row = h + (y * wide + x) * n;
            for (number i = 0; i < n; i++) row[i] = 0;
            number last = x + reach < wide ? x + reach : wide - 1;
            for (number from = x > reach ? x - reach : 0; from <= last; from++)
                for (number i = 0; i < n; i++) row[i] += s[(y * wide + from) * n + i];
        }
    for (number y = 0; y < high; y++) {
        float *rows = t + y * wide * n;
        for (number i = 0; i < wide * n; i++) rows[i] = 0;
        number last = y + reach < high ? y + reach : high - 1;
        for (number from = y > reach ? y - reach : 0; from <= last; from++)
            for (number i = 0; i < wide * n; i++) rows[i] += h[from * wide * n + i];
    }
}

#define DEFINE(KIND, T)                                                                                                \
    void across_forward_##KIND(const T *a, T *out, number first, number last, number channels, number groups,         \
                               number size, float c, float k, float beta) {                                            \
        number n = channels / groups, before = size / 2;                                                               \
        float x[n], s[n + size], t[n], p[n];                                                                           \
        memset(s, 0, sizeof s);                                                                                        \
        for (number r = first * groups; r < last * groups; r++) {                                                      \
            for (number i = 0; i < n; i++) { x[i] = read_##KIND(a + r * n + i); s[before + i] = x[i] * x[i]; }         \
            window(t, s, n, size);                                                                                     \
            for (number i = 0; i < n; i++) t[i] = k + c * t[i];                                                        \
            power(p, t, n, beta);                                                                                      \
            for (number i = 0; i < n; i++) write_##KIND(out + r * n + i, x[i] * p[i]);                                 \
        }                                                                                                              \
    }                                                                                                                  \
    void across_backward_##KIND(const T *a, const T *grad, T *out, number first, number last, number channels,        \
                                number groups, number size, float c, float k, float beta) {                            \
        number n = channels / groups, before = size / 2, mirrored = (size - 1) / 2;                                    \
        float x[n], g[n], s[n + size], u[n + size], t[n], p[n];                                                        \
        memset(s, 0, sizeof s);                                                                                        \
        memset(u, 0, sizeof u);                                                                                        \
        for (number r = first * groups; r < last * groups; r++) {                                                      \
            for (number i = 0; i < n; i++) { x[i] = read_##KIND(a + r * n + i); s[before + i] = x[i] * x[i]; }         \
            for (number i = 0; i < n; i++) g[i] = read_##KIND(grad + r * n + i);                                       \
            window(t, s, n, size);                                                                                     \
            for (number i = 0; i < n; i++) t[i] = k + c * t[i];                                                        \
            power(p, t, n, beta);                                                                                      \
            for (number i = 0; i < n; i++) u[mirrored + i] = g[i] * x[i] * p[i] / t[i];                                \
            window(t, u, n, size);                                                                                     \
            for (number i = 0; i < n; i++) write_##KIND(out + r * n + i, g[i] * p[i] - 2 * c * beta * x[i] * t[i]);    \
        }                                                                                                              \
    }                                                                                                                  \
    /* Pictures `first` to `last`, some channels of all pixels at a time; `scratch` holds 4 * pixels * block. */       \
    void within_forward_##KIND(const T *a, T *out, float *scratch, number first, number last, number channels,        \
                               number high, number wide, number size, number block, float c, float beta) {            \
        number pixels = high * wide;                                                                                   \
        float *s = scratch, *h = s + pixels * block, *t = h + pixels * block;                                          \
        for (number b = first; b < last; b++)                                                                          \
            for (number from = 0; from < channels; from += block) {                                                    \
                number n = channels - from < block ? channels - from : block;                                          \
                const T *in = a + b * pixels * channels + from;                                                        \
                T *to = out + b * pixels * channels + from;                                                            \
                for (number q = 0; q < pixels; q++)                                                                    \
                    for (number i = 0; i < n; i++) {                                                                   \
                        float v = read_##KIND(in + q * channels + i);                                                  \
                        s[q * n + i] = v * v;                                                                          \
                    }                                                                                                  \
                box(t, h, s, high, wide, n, size);                                                                     \
                for (number i = 0; i < pixels * n; i++) t[i] = 1 + c * t[i];                                           \
                power(s, t, pixels * n, beta);                                                                         \
                for (number q = 0; q < pixels; q++)                                                                    \
                    for (number i = 0; i < n; i++)                                                                     \
                        write_##KIND(to + q * channels + i, read_##KIND(in + q * channels + i) * s[q * n + i]);       \
            }                                                                                                          \
    }                                                                                                                  \
    void within_backward_##KIND(const T *a, const T *grad, T *out, float *scratch, number first, number last,         \
                                number channels, number high, number wide, number size, number block, float c,        \
                                float beta) {                                                                          \
        number pixels = high * wide;                                                                                   \
        float *s = scratch, *h = s + pixels * block, *t = h + pixels * block, *p = t + pixels * block;                 \
        for (number b = first; b < last; b++)                                                                          \
            for (number from = 0; from < channels; from += block) {                                                    \
                number n = channels - from < block ? channels - from : block;                                          \
                const T *in = a + b * pixels * channels + from, *back = grad + b * pixels * channels + from;          \
                T *to = out + b * pixels * channels + from;                                                            \
                for (number q = 0; q < pixels; q++)                                                                    \
                    for (number i = 0; i < n; i++) {                                                                   \
                        float v = read_##KIND(in + q * channels + i);                                                  \
                        s[q * n + i] = v * v;                                                                          \
                    }                                                                                                  \
                box(t, h, s, high, wide, n, size);                                                                     \
                for (number i = 0; i < pixels * n; i++) t[i] = 1 + c * t[i];                                           \
                power(p, t, pixels * n, beta);                                                                         \
                for (number q = 0; q < pixels; q++)                                                                    \
                    for (number i = 0; i < n; i++)                                                                     \
                        s[q * n + i] = read_##KIND(back + q * channels + i) * read_##KIND(in + q * channels + i)      \
                                       * p[q * n + i] / t[q * n + i];                                                  \
                box(t, h, s, high, wide, n, size);                                                                     \
                for (number q = 0; q < pixels; q++)                                                                    \
                    for (number i = 0; i < n; i++)                                                                     \
                        write_##KIND(to + q * channels + i,                                                            \
                                     read_##KIND(back + q * channels + i) * p[q * n + i]                               \
                                     - 2 * c * beta * read_##KIND(in + q * channels + i) * t[q * n + i]);              \
            }                                                                                                          \
    }

DEFINE(f32, float)
DEFINE(b16, half)

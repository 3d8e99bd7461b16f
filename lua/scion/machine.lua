--- Estimates of speed that are used on every machine, since measuring them would cost more time than it saves. Results do not depend on
--- them, with one exception: `filtering` chooses between two algorithms whose results differ in the last bits. Because the choice does not
--- depend on measurements, a run gives the same bits on all machines of one instruction set. Change `filtering` only for a clear gain.
return {
  -- for cost.worth_keeping: bytes a second from a fast disk, multiply-adds a second of two cores, and seconds to decode an image
  disk_bytes = 1e9,
  macs = 5e10,
  decoding = 2e-3,

  -- report/plan.lua measures the speed of one convolution; the layers of a network reach this share of it on average
  share_of_speed = 0.75,

  -- How many times as fast as plain sums in f32 a convolution is in narrow numbers, by the instructions that multiply them; for `fast`. That of
  -- avx2 was fitted to the forward passes of five networks (1.9 to 2.2); those of the others are estimates, and portable code is slower.
  narrow = {
    int8 = { avx2 = 2.0, avx512 = 2.0, avxvnni = 2.5, avx512vnni = 3.0, amx = 6.0 },
    bf16 = { avx512bf16 = 1.8, amx = 4.0 },
  },

  -- Costs of minimal filtering and of plain sums: see scion.FilteringCosts. They were fitted to the convolutions of Inception V3 on two
  -- cores with AVX-512. spec/bench/filtering.lua fits them again and reports what the choices of the new fit would gain. On a CPU with
  -- AVX2 the transforms cost 16 and 19, and the gain was 0.3 % over the layers of five networks.
  filtering = {
    forward = { plain = 1, product = 1.2, transform = 26, weight = 2 }, -- also for the gradient with respect to the input
    gradient = { plain = 1.4, product = 1.2, transform = 40, weight = 20 }, -- with respect to the kernel
    least_gain = 1.25, -- a smaller gain is not worth the memory: the transformed weights take up to four times that of plain ones
  },
}

;; NH (RFC 4418 section 5.2.2) over each 1 KiB of a 64 KiB block, in one call.
;; For words m and key words k, taken 32 bytes at a time:
;;   sum over i of ((m[i] + k[i]) mod 2^32) * ((m[i+4] + k[i+4]) mod 2^32), mod 2^64
;; Memory: 0 the block (64 KiB) | 65536 the key (1 KiB) | 66560 the hashes (8 bytes for each KiB).
(module
  (memory (export "memory") 2)
  (func (export "hash") (param $count i32)
    (local $at i32) (local $key i32) (local $end i32) (local $out i32) (local $sum v128)
    (local $a v128) (local $b v128)
    (local.set $out (i32.const 66560))
    (block $done
      (loop $blocks
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $sum (v128.const i64x2 0 0))
        (local.set $key (i32.const 65536))
        (local.set $end (i32.add (local.get $at) (i32.const 1024)))
        (loop $words
          (local.set $a (i32x4.add (v128.load (local.get $at)) (v128.load (local.get $key))))
          (local.set $b (i32x4.add (v128.load offset=16 (local.get $at)) (v128.load offset=16 (local.get $key))))
          (local.set $sum (i64x2.add (local.get $sum) (i64x2.add
            (i64x2.extmul_low_i32x4_u (local.get $a) (local.get $b))
            (i64x2.extmul_high_i32x4_u (local.get $a) (local.get $b)))))
          (local.set $at (i32.add (local.get $at) (i32.const 32)))
          (local.set $key (i32.add (local.get $key) (i32.const 32)))
          (br_if $words (i32.lt_u (local.get $at) (local.get $end))))
        (i64.store (local.get $out) (i64.add
          (i64x2.extract_lane 0 (local.get $sum)) (i64x2.extract_lane 1 (local.get $sum))))
        (local.set $out (i32.add (local.get $out) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $blocks)))))

// Reading along: whatever the pieces a conversation comes in, the same is seen.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Exchange, HttpWatch } from './http-watch.ts';

const UP = Buffer.from(
  [
    'POST /v1/uploads HTTP/1.1\r\nUpload-Length: 10\r\nContent-Length: 0\r\n\r\n',
    'PATCH /v1/uploads/ab HTTP/1.1\r\nUpload-Offset: 0\r\nContent-Length: 10\r\n\r\n0123456789',
    'GET /v1/versions HTTP/1.1\r\nHost: x\r\n\r\n',
  ].join('|'),
);
const DOWN = [
  'HTTP/1.1 201 Created\r\nLocation: /v1/uploads/ab\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nUpload-Offset: 4\r\n\r\nHTTP/1.1 204 No Content\r\nUpload-Offset: 10\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
];

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

test('requests, bodies and answers are the same in any pieces', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000), { maxLength: 12 }), (cuts) => {
      let interim = 0;
      let body = 0;
      const watch = new HttpWatch({
        onBody: (_exchange, bytes) => {
          body += bytes;
        },
        onInterim: () => {
          interim++;
        },
      });
      const whole: Exchange[] = [];
      let answered = 0;
      for (const [index, request] of UP.toString().split('|').entries()) {
        for (const piece of pieces(Buffer.from(request), cuts)) watch.up(piece);
        for (const piece of pieces(Buffer.from(DOWN[index]!), cuts)) {
          const seen = watch.down(piece);
          if (seen.answered) answered++;
          if (seen.whole) whole.push(seen.whole);
        }
      }
      expect(whole.map(({ method, path, status }) => [method, path, status])).toEqual([
        ['POST', '/v1/uploads', 201],
        ['PATCH', '/v1/uploads/ab', 204],
        ['GET', '/v1/versions', 200],
      ]);
      expect(answered).toBe(3);
      expect(whole[0]?.answer.location).toBe('/v1/uploads/ab');
      expect(whole[1]?.sent).toBe(10);
      expect(whole[2]?.body.toString()).toBe('hello');
      expect(interim).toBe(1);
      expect(body).toBe(10);
    }),
  );
});

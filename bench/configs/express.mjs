import { createHmac, timingSafeEqual } from 'node:crypto';
import { createRequire } from 'node:module';

const express = createRequire('BENCH/express/')('express');

const app = express();
app.post('/hook', express.raw({ type: '*/*', limit: '1mb' }), (req, res) => {
	const given = Buffer.from(req.get('X-Saltare-Signature') ?? '');
	const timestamp = req.get('X-Saltare-Timestamp') ?? '';
	const expected = Buffer.from(
		'sha256=' + createHmac('sha256', 'SECRET').update(timestamp + '.').update(req.body).digest('hex'),
	);
	if (given.length !== expected.length || !timingSafeEqual(given, expected) || Math.abs(Date.now() / 1000 - timestamp) > 300) {
		res.status(401).json({ error: 'Invalid signature' });
		return;
	}
	JSON.parse(req.body);
	res.send('handled');
});
const [host, port] = 'LISTEN'.split(':');
app.listen(Number(port), host);

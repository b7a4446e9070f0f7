import crypto from 'crypto';

function equal(a, b) {
	let difference = a.length ^ b.length;
	for (let i = 0; i < a.length && i < b.length; i++) {
		difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
	}
	return difference === 0;
}

function verify(r) {
	const given = r.headersIn['X-Saltare-Signature'];
	const timestamp = r.headersIn['X-Saltare-Timestamp'];
	if (!given || !timestamp || Math.abs(Date.now() / 1000 - timestamp) > 300) {
		r.return(401);
		return;
	}
	const mac = crypto.createHmac('sha256', 'SECRET');
	mac.update(timestamp + '.');
	mac.update(r.requestBuffer);
	if (!equal(given, 'sha256=' + mac.digest('hex'))) {
		r.return(401);
		return;
	}
	r.internalRedirect('@application');
}

export default { verify };

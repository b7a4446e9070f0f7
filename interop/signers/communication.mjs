// Providers of messaging, voice, mail and customer care.

import { standardWebhooks } from "./helpers/signing.mjs";

export default {
  "standard-webhooks": standardWebhooks(),
};

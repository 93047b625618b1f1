/** The service worker: the one module that knows which browser it runs in. */

import { chromium } from "./browser.js";
import { start } from "./main.js";

start(chromium());

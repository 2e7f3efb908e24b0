/**
 * Writes `api-report.md`: the public types of every entry as they are published, so that a change of the contract is seen.
 * It reads `dist/types`; with `--check` it only compares, and fails where the report is not up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const report = join(root, 'api-report.md');

/** What each entry publishes, with the files whose types it passes on. */
const entries = {
  ebbtide: ['index', 'types', 'cells', 'errors'],
  'ebbtide/schema': ['schema'],
  'ebbtide/server': ['server/index', 'server/rules'],
  'ebbtide/service-worker': ['service-worker/index'],
};

const text = render();
if (process.argv.includes('--check')) check();
else writeFileSync(report, text);

function render() {
  const sections = Object.entries(entries).map(([entry, files]) => {
    const blocks = files.map((file) => `\`\`\`ts\n// ${file}.d.ts\n${declarations(file)}\n\`\`\`\n`);
    return `## ${entry}\n\n${blocks.join('\n')}`;
  });
  return `# Public types\n\nWritten by \`npm run api-report\`; a test compares it with what is built.\n\n${sections.join('\n')}`;
}

/** The declarations alone: comments are documentation, not contract. */
function declarations(file) {
  const source = readFileSync(join(root, 'dist/types', `${file}.d.ts`), 'utf8');
  return source.replace(/\/\*\*[\s\S]*?\*\/\s*/g, '').replace(/\n{2,}/g, '\n').trim();
}

function check() {
  const committed = readFileSync(report, 'utf8');
  if (committed === text) return;
  console.error('api-report.md is not up to date: look at the change of the contract, then run `npm run api-report` in npm/');
  process.exit(1);
}

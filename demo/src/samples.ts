/**
 * A few households to begin with, for those who want to look around. The people are invented.
 * The empty list offers it.
 */

import type { Database } from 'ebbtide';

interface Sample {
  readonly name: string;
  readonly village: string;
  readonly directions: string;
  readonly members: readonly (readonly [name: string, birthYear: number])[];
  readonly visits: readonly (readonly [daysAgo: number, doses: number, notes: string])[];
}

const SAMPLES: readonly Sample[] = [
  {
    name: 'Phiri', village: 'Chilombo', directions: 'Blue door behind the maize mill',
    members: [['Grace Phiri', 1988], ['Yankho Phiri', 2019], ['Thoko Phiri', 2025]],
    visits: [[3, 2, 'Second round for both children. Grace asked about the next market-day clinic.'], [34, 2, '']],
  },
  {
    name: 'Mwale', village: 'Chilombo', directions: 'Past the borehole, third house on the left',
    members: [['Chisomo Mwale', 1994], ['Mphatso Mwale', 2024]],
    visits: [[6, 1, 'Slight fever yesterday, none today.']],
  },
  {
    name: 'Banda', village: 'Mtende', directions: '',
    members: [['Joseph Banda', 1951], ['Esnart Banda', 1956]],
    visits: [[12, 0, 'Nobody at home; neighbour says they are back on Friday.']],
  },
  { name: 'Zulu', village: 'Kalinde', directions: 'By the football ground', members: [['Mutinta Zulu', 1999]], visits: [] },
];

/** Adds the samples in one transaction: they appear elsewhere all at once or not at all. */
export async function addSamples(db: Database, visitor: string): Promise<void> {
  await db.transaction(async (tx) => {
    for (const { name, village, directions, members, visits } of SAMPLES) {
      const [household] = await tx.query<{ id: string }>(
        'INSERT INTO household (name, village, directions) VALUES (?, ?, ?) RETURNING id', [name, village, directions]);
      if (!household) throw new Error('the insert returned no row');
      for (const [member, birthYear] of members) {
        await tx.exec('INSERT INTO member (household, name, birth_year) VALUES (?, ?, ?)', [household.id, member, birthYear]);
      }
      for (const [daysAgo, doses, notes] of visits) {
        await tx.exec('INSERT INTO visit (household, visited_on, visitor, doses, notes) VALUES (?, ?, ?, ?, ?)',
          [household.id, dayBefore(daysAgo), visitor, doses, notes]);
      }
    }
  });
}

function dayBefore(days: number): string {
  const date = new Date();
  date.setDate(date.getDate() - days);
  return date.toLocaleDateString('sv-SE');
}

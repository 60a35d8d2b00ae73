// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Bitmap} from "../src/libraries/Bitmap.sol";
import {Places} from "../src/libraries/Places.sol";
import {Test} from "./support/Test.sol";

contract PlacesTest is Test {
    uint256 private constant SET = 7;
    uint256 private constant OPERATIONS = 40;
    uint256 private constant LAST_RANK = type(uint16).max;

    mapping(uint256 set => uint256[]) private _members;

    function testFuzz_behavesLikeASetOfNumbers(uint256 seed) public {
        for (uint256 i; i < OPERATIONS; ++i) {
            uint256 set = SET + random(seed, 5 * i) % 2;
            uint256 place = _somePlace(random(seed, 5 * i + 1));
            if (random(seed, 5 * i + 2) % 3 == 0) _removeBoth(set, place);
            else _addBoth(set, place);
            uint256 from = _somePlace(random(seed, 5 * i + 3));
            uint256 lastRank = _somePlace(random(seed, 5 * i + 4)) >> 16;
            _assertNext(set, 0, LAST_RANK);
            _assertNext(set, 0, lastRank);
            _assertNext(set, from, LAST_RANK);
            _assertNext(set, from, lastRank);
            _assertNext(set, place + 1, LAST_RANK);
        }
    }

    function test_theFirstAndTheLastPlaceCanBeMembers() public {
        uint256 last = LAST_RANK << 16 | type(uint16).max;
        _addBoth(SET, last);
        _addBoth(SET, 0);
        assertEq(Places.next(SET, 1, LAST_RANK), last, "last place");
        assertEq(Places.next(SET, last, LAST_RANK), last, "last place from itself");
        assertEq(Places.next(SET, last + 1, LAST_RANK), Bitmap.NONE, "beyond the last place");
        _removeBoth(SET, last);
        _removeBoth(SET, 0);
    }

    /// @dev Clustered around the turns at which a rank goes on in its own bitmap, and around the end of a group.
    function _somePlace(uint256 entropy) private pure returns (uint256) {
        uint256 rank = entropy % 3 * 32_760 + entropy / 3 % 4 * 5;
        uint256 turn = entropy / 12 % 4 == 0 ? 65_500 + entropy / 48 % 3 : 13 + entropy / 48 % 4;
        return rank << 16 | turn;
    }

    function _addBoth(uint256 set, uint256 place) private {
        bool first = Places.add(set, place);
        assertTrue(first == (_members[set].length == 0), "first place");
        if (_find(set, place) == _members[set].length) _members[set].push(place);
    }

    function _removeBoth(uint256 set, uint256 place) private {
        uint256 index = _find(set, place);
        if (index == _members[set].length) return;
        _members[set][index] = _members[set][_members[set].length - 1];
        _members[set].pop();
        assertTrue(Places.remove(set, place) == (_members[set].length == 0), "last place");
    }

    function _assertNext(uint256 set, uint256 from, uint256 lastRank) private view {
        uint256 smallest = Bitmap.NONE;
        for (uint256 i; i < _members[set].length; ++i) {
            uint256 member = _members[set][i];
            if (member >= from && member >> 16 <= lastRank && member < smallest) smallest = member;
        }
        assertEq(Places.next(set, from, lastRank), smallest, "smallest place");
    }

    function _find(uint256 set, uint256 place) private view returns (uint256 index) {
        while (index < _members[set].length && _members[set][index] != place) ++index;
    }
}
